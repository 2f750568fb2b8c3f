"""The Chinese catalogue has every string that the plugin marks, and what is compiled is what is written.

In metarec_plugin: `django-admin makemessages -l zh_Hans --add-location file --no-obsolete`, translate what is empty or
fuzzy, `django-admin compilemessages`. xgettext sees no call inside an f-string.
"""

from __future__ import annotations

import ast
import gettext
import re
import string
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

PLUGIN = Path(__file__).resolve().parents[2] / "metarec_plugin"
CATALOGUES = sorted(PLUGIN.glob("locale/*/LC_MESSAGES/django.po"))
PLAIN = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}
CALL = re.compile(r"""(?:\b[np]?gettext|\b_)\((?:u?'(?:[^'\\]|\\.)*'|u?"(?:[^"\\]|\\.)*"|[, ]|count)+\)""")
BETWEEN = "\x04"  # a context and its message, as .mo files have them


def marked() -> dict[str, str]:
    """What is to be translated -> where it stands. Needs no xgettext."""
    found = {}
    for path in sorted(PLUGIN.rglob("*.py")):
        for message in marked_in(path.read_text(encoding="utf-8")):
            found[message] = path.name
    for path in sorted(PLUGIN.glob("templates/**/*.html")):
        # templatize crosses out what is not to be translated and leaves calls of gettext in its place.
        for call in CALL.findall(templatize(path.read_text(encoding="utf-8"))):
            found.update(dict.fromkeys(marked_in(call), path.name))
    return found


def marked_in(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        words = [each.value for each in node.args if isinstance(each, ast.Constant)]
        if name in PLAIN and words:
            found.append(words[0])
        elif name in WITH_CONTEXT and words:
            found.append(BETWEEN.join(words[:2]))
    return found


def written(path: Path) -> dict[str, tuple[str, bool, str]]:
    """A .po file's messages: translation, whether it is fuzzy, and the words that it is of.

    Chinese has one form, whatever the number: it is of the plural.
    """
    found = {}
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        parts: dict[str, str] = {}
        key, fuzzy = "", False
        for line in block.splitlines():
            fuzzy |= line.startswith("#,") and "fuzzy" in line
            if line.startswith("#") or not line.strip():
                continue
            if not line.startswith('"'):
                key, line = line.split(" ", 1)
            parts[key] = parts.get(key, "") + ast.literal_eval(line)
        if parts:
            context = parts.get("msgctxt")
            message = parts["msgid"] if context is None else context + BETWEEN + parts["msgid"]
            plural = parts.get("msgid_plural")
            found[message] = (parts["msgstr[0]" if plural else "msgstr"], fuzzy, plural or message)
    return found


def fields(words: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(words)} - {None}


def test_there_is_a_chinese_catalogue():
    assert [path.parts[-3] for path in CATALOGUES] == ["zh_Hans"]
    assert len(marked()) > 150


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_every_marked_string_is_translated(path: Path):
    messages = written(path)
    missing = {
        message: where for message, where in marked().items() if not messages.get(message, ("", False))[0]
    }
    assert not missing
    assert not [message for message, (_, fuzzy, _) in messages.items() if fuzzy]
    assert not set(messages) - set(marked()) - {""}  # nothing that no page says any more


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_translations_have_the_fields_of_their_messages(path: Path):
    for words, _, message in written(path).values():
        if message:
            assert fields(words) == fields(message), message
            named = [
                sorted(re.findall(r"%\(\w+\)s", each)) for each in (words, message)
            ]  # in an order of its own
            assert named[0] == named[1], message


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_the_compiled_catalogue_is_the_written_one(path: Path):
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    compiled = {key[0] if isinstance(key, tuple) else key: words for key, words in compiled.items()}
    assert compiled == {message: words for message, (words, *_) in written(path).items()}
