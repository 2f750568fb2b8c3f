"""The back office of the shop: catalogue and orders."""

from __future__ import annotations

from django.contrib import admin

from shop.models import Category, Customer, Department, Order, OrderLine, Product


@admin.register(Department)
class DepartmentAdmin(admin.ModelAdmin):
    list_display = ["name", "is_listed"]
    list_filter = ["is_listed"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ["name", "department"]
    list_filter = ["department"]
    list_select_related = ["department"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["name", "brand", "size", "price", "stock", "is_active"]
    list_editable = ["price", "stock", "is_active"]
    list_filter = ["is_active", "category__department"]
    search_fields = ["name", "brand"]
    autocomplete_fields = ["category"]
    show_full_result_count = False


class OrderLineInline(admin.TabularInline):
    model = OrderLine
    extra = 0
    raw_id_fields = ["product"]


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["id", "placed_at", "status", "owner", "email", "total"]
    list_filter = ["status"]
    list_select_related = ["owner__user"]
    raw_id_fields = ["owner"]
    date_hierarchy = "placed_at"
    inlines = [OrderLineInline]
    show_full_result_count = False


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ["user", "region", "age_band", "income", "household_size", "kids"]
    list_filter = ["age_band", "income"]
    list_select_related = ["user"]
    raw_id_fields = ["user"]
    search_fields = ["user__username", "user__email"]
