"""Serve the demo: a web process and the two workers, all stopped together by Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Run the shop on 127.0.0.1 with its two Celery workers until Ctrl-C."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        address = f"127.0.0.1:{options['port']}"
        celery = [sys.executable, "-m", "celery", "-A", "shop", "worker", "--loglevel", "WARNING"]
        # One BLAS thread in the web process: on few cores, more threads make a catalogue scan slower.
        web_threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        commands = {
            "web": [sys.executable, "-m", "gunicorn", "shop.wsgi", "--bind", address, "--threads", "4"],
            "gpu worker": [*celery, "-Q", "metarec.gpu", "--pool", "solo", "--concurrency", "1", "-n", "gpu@%h"],
            "cpu worker": [
                *celery, "-Q", "metarec.cpu", "--concurrency", "1", "-n", "cpu@%h",
                "--beat", "--scheduler", settings.CELERY_BEAT_SCHEDULER,
            ],
        }  # fmt: skip
        processes: dict[str, subprocess.Popen[bytes]] = {}
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, _interrupt)
        try:
            for name, command in commands.items():
                extra = web_threads if name == "web" else {}
                # A group of its own: Ctrl-C reaches this process only, which then stops the others in order.
                processes[name] = subprocess.Popen(  # noqa: S603
                    command, env={**os.environ, **extra}, start_new_session=True
                )
            self.stdout.write(
                self.style.SUCCESS(f"\nThe shop is open: http://{address}/   (Ctrl-C closes it)\n")
            )
            while True:
                for name, process in processes.items():
                    if (code := process.poll()) is not None:
                        raise CommandError(f"The {name} stopped with exit code {code}; see its output above.")
                time.sleep(0.5)
        except KeyboardInterrupt:
            self.stdout.write("\nClosing the shop.")
        finally:
            _stop(processes)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _stop(processes: dict[str, subprocess.Popen[bytes]], patience_seconds: float = 15) -> None:
    for process in processes.values():
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + patience_seconds
    for process in processes.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
