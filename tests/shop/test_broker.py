"""Whoever posts first finds the folders of the filesystem broker, and nobody else may read them."""

from __future__ import annotations

from celery import Celery

from shop.celery import make_broker_folders


def test_a_message_can_be_posted_before_any_worker_was_started(tmp_path):
    app = Celery("posting", broker="filesystem://", set_as_current=False)
    folders = {
        "data_folder_in": tmp_path / "broker" / "queue",
        "data_folder_out": tmp_path / "broker" / "queue",
        "control_folder": tmp_path / "broker" / "control",
        "processed_folder": tmp_path / "broker" / "processed",
    }
    app.conf.update(broker_transport_options={name: str(folder) for name, folder in folders.items()})
    app.on_after_configure.connect(make_broker_folders)
    app.send_task("metarec.train", (1,), queue="metarec.gpu", ignore_result=True)
    assert len(list(folders["data_folder_out"].glob("*.metarec.gpu.msg"))) == 1
    assert {(folder.stat().st_mode & 0o777) for folder in (tmp_path / "broker", *folders.values())} == {0o700}


def test_another_broker_needs_no_folders(tmp_path):
    app = Celery("elsewhere", broker="memory://", set_as_current=False)
    make_broker_folders(app)
    assert not list(tmp_path.iterdir())
