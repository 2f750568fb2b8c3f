"""The Django application: its label, and what is connected once all models are loaded."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MetaRecConfig(AppConfig):
    name = "metarec_plugin"
    label = "metarec"
    verbose_name = _("MetaRec recommendations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from metarec_plugin import checks  # noqa: F401  (registers the system checks)
        from metarec_plugin.collect import pulses, receivers

        receivers.connect()
        pulses.connect()
