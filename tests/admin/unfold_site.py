"""The panel on a site with django-unfold: opens each of its pages and prints what is wrong with them."""

from __future__ import annotations

import os


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.admin.unfold_settings"
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse
    from unfold.admin import ModelAdmin

    from metarec_plugin.admin.pages import PAGES

    call_command("migrate", verbosity=0)
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    for model, page in PAGES.items():
        name = model._meta.model_name
        answer = client.get(reverse(f"admin:metarec_{name}_changelist"))
        text = answer.content.decode()
        if answer.status_code != 200:
            print(name, answer.status_code)
        elif not issubclass(page, ModelAdmin):
            print(name, "is no page of unfold's")
        elif 'class="metarec-tabs"' not in text or "metarec/admin/panel_unfold.css" not in text:
            print(name, "lacks the tabs or the styles")
        elif "unfold/css/styles.css" not in text:
            print(name, "lacks unfold's look")


if __name__ == "__main__":
    main()
