"""Every error that the plugin raises on purpose; each says what was expected, what was found and what to do."""


class MetaRecError(Exception):
    """The base of all errors below; `recommend()` answers it with a fallback."""


class ConfigurationError(MetaRecError):
    """`settings.METAREC` or the storefront mapping cannot be used as written."""


class InvalidEvent(MetaRecError):
    """An event was refused; nothing of it was stored. `code` is the reason by which refusals are counted."""

    def __init__(self, message: str, code: str = "invalid_event") -> None:
        super().__init__(message)
        self.code = code


class InvalidBody(MetaRecError):
    """A request's body is not JSON that can be read and stored."""


class InvalidSignature(MetaRecError):
    """A cookie or slate id was not signed by this site, or for another purpose."""


class InvalidRule(MetaRecError):
    """A condition, rule, placement or experiment cannot be what it says."""


class InvalidData(MetaRecError):
    """A file or log cannot be learned from."""


class BundleError(MetaRecError):
    """A bundle is missing, damaged or was made for another storefront; it is not served."""


class NoModel(MetaRecError):
    """No version has been promoted yet."""


class ChangedMeanwhile(MetaRecError):
    """What somebody looked at before they decided has been changed since; nothing was done."""


class BrokerUnreachable(MetaRecError):
    """A message could not be handed to the broker; what it was about is a row and waits."""


class RunRefused(MetaRecError):
    """A training run cannot be claimed: another worker holds its lease, or its attempts are used up."""


class TrainingFailed(MetaRecError):
    """A process that trains ended before its work was done."""
