"""An evaluation's JSON as one page for people: plots beside tables, plain words, no script, nothing external."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from metarec_plugin.pipeline.report_names import catalogue_language
from metarec_plugin.pipeline.report_sections import SECTIONS

Found = Mapping[str, Any]

STYLE = """
:root{color-scheme:light}
body{margin:0 auto;max-width:70rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.25rem;margin:2rem 0 .5rem}p{max-width:65ch}
figure{margin:1rem 0}figure img{width:100%;height:auto;display:block}figcaption{color:#444}
.table{overflow-x:auto;margin:1rem 0}.table:focus{outline:2px solid #0072b2}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.875rem}
caption{text-align:left;font-weight:600;padding:.25rem 0}
caption span{position:sticky;left:0;display:inline-block;max-width:calc(100vw - 2rem)}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
thead th{white-space:normal;word-break:keep-all;vertical-align:bottom}
th[scope=row],thead th:first-child,.worded th,.worded td{text-align:left}
.worded td{white-space:normal;min-width:12rem;overflow-wrap:anywhere}
th[scope=row],thead th:first-child{position:sticky;left:0;background:#fff}
"""
# What the page's own policy, and that of a page which shows it, must allow.
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src '{STYLE_HASH}'"


def report_page(found: Found, language: str | None = None) -> str:
    """Return the page of `Report.as_json()` or `SeededReports.as_json()`, in a language of `report_language`.

    language: by default the active one. Raises ConfigurationError without matplotlib.
    """
    with override(language or get_language()):
        return _page(found)


def _page(found: Found) -> str:
    sections = [section for make in SECTIONS if (section := make(found)) is not None]
    context = {
        "language": catalogue_language(),
        "title": _("How good are the recommendations?"),
        "lead": _lead(found),
        "sections": sections,
        "style": STYLE,
        "policy": POLICY,
    }
    return render_to_string("metarec/evaluation.html", context)


def _lead(found: Found) -> str:
    data = found["data"]
    return _(
        "Measured on {test} shoppers whom no learner saw in training, with the purchases of {train} others to "
        "learn from and a catalogue of {products} products. Of each shopper the first k products are shown "
        "to the learner; it then ranks the whole catalogue, and what the shopper chose next is looked for in "
        "its twenty best."
    ).format(
        test=f"{data['test_users']:,}", train=f"{data['train_users']:,}", products=f"{data['products']:,}"
    )
