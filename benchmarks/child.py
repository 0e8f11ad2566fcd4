"""Runs a measurement in a fresh Python, so that it neither inherits memory nor warm caches from another."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def in_child(function: Callable[..., Any], *arguments: object, bound: bool = True) -> Any:
    """Call a function of a module of this package in a child process; arguments and result are JSON values.

    Threads of OpenMP stay on their cores, unless ``bound`` is false: where several threads or processes call the
    network, all of them would stay on the first core.
    """
    command = [sys.executable, "-m", __name__, function.__module__, function.__name__, json.dumps(arguments)]
    # Threads of OpenMP that are not bound may all start on one core, which halves the speed of a two-core machine.
    environment = {**({"OMP_PROC_BIND": "true"} if bound else {}), **os.environ}
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(child.stdout.splitlines()[-1])


if __name__ == "__main__":
    module, name, given = sys.argv[1:]
    print("\n" + json.dumps(getattr(importlib.import_module(module), name)(*json.loads(given))), flush=True)
