# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance that passes its gate and dies a little later, for tests that want one."""

from __future__ import annotations

import os
import signal
import threading


def arm() -> None:
    """Kill the unit's main process YARD_DIES_AFTER seconds from now; every worker arms, so the first import counts.

    systemd names its main process in SYSTEMD_EXEC_PID. A worker's parent would be that process under gunicorn and under
    uvicorn with several workers, and systemd itself under uvicorn with one.
    """
    seconds, main_process = os.environ.get("YARD_DIES_AFTER"), os.environ.get("SYSTEMD_EXEC_PID")
    if seconds and main_process:
        timer = threading.Timer(float(seconds), os.kill, (int(main_process), signal.SIGKILL))
        timer.daemon = True
        timer.start()
