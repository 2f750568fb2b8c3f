"""Every address of the demo shop."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from shop.views import account, basket, catalogue, checkout, pages

urlpatterns = [
    path("", pages.home, name="home"),
    path("privacy/", pages.privacy, name="privacy"),
    path("consent/", pages.set_consent, name="consent"),
    path("departments/", catalogue.departments, name="departments"),
    path("department/<slug:slug>/", catalogue.department, name="department"),
    path("department/<slug:department>/<slug:slug>/", catalogue.category, name="category"),
    path("product/<uuid:pk>/", catalogue.product, name="product"),
    path("new/", catalogue.arrivals, name="arrivals"),
    path("search/", catalogue.search, name="search"),
    path("basket/", basket.show, name="basket"),
    path("basket/add/<uuid:pk>/", basket.add, name="basket-add"),
    path("basket/update/<uuid:pk>/", basket.update, name="basket-update"),
    path("checkout/", checkout.details, name="checkout"),
    path("checkout/<int:pk>/payment/", checkout.payment, name="payment"),
    path("orders/", account.orders, name="orders"),
    path("orders/<int:pk>/", account.order, name="order"),
    path("register/", account.register, name="register"),
    path("login/", account.LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("metarec/", include("metarec_plugin.urls")),
    path("api/metarec/v1/", include("metarec_plugin.api.v1.urls")),
    path("admin/", admin.site.urls),
]
