"""E-mails go to who allowed it, once each, with addresses that work outside the shop."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from metarec_plugin import record_event
from metarec_plugin.collect import read_slate
from metarec_plugin.conf import get_config
from metarec_plugin.feedback.attribution import attributed
from metarec_plugin.management.commands import metarec_email
from metarec_plugin.models import Impression
from metarec_plugin.serve import email
from metarec_plugin.serve.email import Email
from metarec_plugin.serve.slate import Slate
from shop.models import Product

SITE = "https://shop.example/uk"


def says_yes(user) -> bool:
    return user.username.startswith("yes")


def says_something(user) -> object:
    return "maybe"


@pytest.fixture
def users(db) -> list[User]:
    names = ("yes-1", "no-1", "yes-2", "yes-3")
    made = [User.objects.create_user(name, email=f"{name}@mail.example") for name in names]
    User.objects.create_user("yes-without-address")
    User.objects.create_user("yes-gone", email="gone@mail.example", is_active=False)
    return made


@pytest.fixture(autouse=True)
def allowed(settings, tmp_path):
    settings.METAREC = {
        **settings.METAREC, "SITE_URL": SITE, "EMAIL_CONSENT": "tests.serve.test_email.says_yes",
    }  # fmt: skip
    return settings


def send(*options: str) -> None:
    call_command("metarec_email", "--send", "--campaign", "spring", *options, verbosity=0)


@pytest.fixture(autouse=True)
def fresh_campaign(settings, tmp_path, allowed, publish):
    settings.METAREC = {**settings.METAREC, "ARTIFACTS": tmp_path / "metarec"}
    publish()


def test_who_allowed_it_gets_their_own_list(users, keys):
    record_event(f"user:{users[0].pk}", "view", keys[3])
    send()
    assert [message.to for message in mail.outbox] == [[f"yes-{n}@mail.example"] for n in (1, 2, 3)]
    first, second, _ = mail.outbox
    assert (first.subject, second.subject) == ("For you", "Popular right now")
    html, kind = first.alternatives[0]
    assert kind == "text/html"
    for body in (html, first.body):
        links = re.findall(r"https?://[^\s\"<>]+", body)
        assert len({link for link in links if "/product/" in link}) == 6
        assert all(link.startswith("https://shop.example/") for link in links)
    assert "<script" not in html
    assert "/metarec/your-recommendations/" in first.body


def test_a_click_from_an_email_is_owed_to_its_list(users, keys):
    record_event(f"user:{users[0].pk}", "view", keys[3])
    call_command("metarec_email", "--to-file", str(get_config().artifacts / "mails"), "-k", "3", verbosity=0)
    text = (get_config().artifacts / "mails" / f"{users[0].pk}.txt").read_text("utf-8")
    links = re.findall(r"/product/([^/]+)/#metarec=(\S+)~(\d)", text)
    assert [int(rank) for _, _, rank in links] == [0, 1, 2]
    shown = Impression.objects.filter(subject=f"user:{users[0].pk}", placement="email").order_by("rank")
    assert [row.product for row in shown] == [key for key, _, _ in links]
    assert {row.slate for row in shown} == {read_slate(slate) for _, slate, _ in links}
    key, slate, _ = links[1]
    record_event(f"user:{users[0].pk}", "click", key, slate=slate)
    record_event(f"user:{users[0].pk}", "basket", key)
    [owed] = attributed(timezone.now() - timedelta(days=1), kinds=["basket"])
    assert (owed.touch.placement, owed.touch.rank) == ("email", 1)


def test_a_campaign_goes_on_where_it_stopped_and_writes_to_nobody_twice(users, monkeypatch):
    send("--limit", "1")

    # The second run dies while it sends.
    def breaks(message):
        raise OSError("no route")

    with monkeypatch.context() as patch:
        patch.setattr(mail.EmailMultiAlternatives, "send", breaks)
        with pytest.raises(OSError, match="no route"):
            send()
    send()
    assert [message.to for message in mail.outbox] == [["yes-1@mail.example"], ["yes-3@mail.example"]]
    send()
    assert len(mail.outbox) == 2


@pytest.mark.parametrize("consent", ["", "tests.serve.test_email.says_something"])
def test_without_a_clear_yes_nobody_is_written_to(users, consent, settings):
    settings.METAREC = {**settings.METAREC, "EMAIL_CONSENT": consent}
    send()
    assert mail.outbox == []


def test_files_are_written_once(users, tmp_path, capsys):
    folder = tmp_path / "mails"
    call_command("metarec_email", "--to-file", str(folder))
    written = sorted(path.name for path in folder.iterdir())
    assert written == sorted(
        f"{user.pk}.{kind}" for user in users if says_yes(user) for kind in ("html", "txt")
    )
    (folder / f"{users[2].pk}.txt").unlink()
    call_command("metarec_email", "--to-file", str(folder))
    assert "3 e-mails written" in capsys.readouterr().out.split("\n")[0]
    assert (folder / f"{users[2].pk}.txt").read_text().startswith("Popular right now")


@pytest.mark.parametrize(
    ("change", "options", "error"),
    [
        ({"SITE_URL": ""}, ("--send", "--campaign", "a"), "SITE_URL"),
        ({"EMAIL_CONSENT": "nowhere.says"}, ("--send", "--campaign", "a"), "cannot be imported"),
        ({}, ("--send",), "--campaign"),
        ({}, ("--send", "--campaign", "../a"), "--campaign"),
        ({"SITE_URL": "shop.example"}, ("--send", "--campaign", "a"), "http"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(users, settings, change, options, error):
    settings.METAREC = {**settings.METAREC, **change}
    with pytest.raises(CommandError, match=error):
        call_command("metarec_email", *options)
    assert mail.outbox == []


def test_a_key_of_any_text_stays_in_its_folder(tmp_path):
    folder, nothing = tmp_path / "out", Slate("", (), "empty", None)
    for pk in ("../evil", "team/7", "a b"):
        metarec_email._write(folder, pk, Email("a@mail.example", "Subject", "<p>", "text", "user:1", nothing))
        assert all(path.exists() for path in metarec_email._paths(folder, pk))
    assert [path.name for path in tmp_path.iterdir() if path.name != "metarec"] == ["out"]


def test_titles_are_escaped_in_html_and_plain_in_text(users):
    Product.objects.update(name="Salt & <b>Pepper</b>")
    found = email.email_for(users[0])
    assert "<b>Pepper" not in found.html
    assert "Salt & <b>Pepper</b>" in found.text


def test_it_speaks_chinese(users):
    with translation.override("en"):
        assert "热门" in email.email_for(users[0], language="zh-hans").html


def test_users_are_read_a_few_at_a_time(users, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(email, "CHUNK", 2)
    with django_assert_num_queries(4):
        assert [user.username for user in email.consenting_users()] == ["yes-1", "yes-2", "yes-3"]
