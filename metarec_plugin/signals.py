"""Facts that the plugin tells the rest of the site, sent after commit with `send_robust`."""

from django.dispatch import Signal

# subject: str, kind: str, product: str, event_id: str
event_recorded = Signal()
# slate: metarec_plugin.Slate, subject: str, placement: str
slate_served = Signal()
# version: str, previous: str | None
model_promoted = Signal()
# run: int, state: str
training_finished = Signal()
