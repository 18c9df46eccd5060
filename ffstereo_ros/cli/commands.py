"""Declares commands, also those that cannot run here for want of a package: help lists them all."""

from __future__ import annotations

import argparse
import importlib

from ffstereo_ros.cli.packages import explain


def add_command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, runs_as: str = "run"
) -> None:
    """Declares what ``ffstereo_ros.cli.MODULE`` declares; its ``run`` goes into the arguments as ``runs_as``.

    Where the module needs a package that is missing, the arguments hold the refusal as ``refusal`` instead.
    """
    try:
        command = importlib.import_module(f"ffstereo_ros.cli.{module}")
    except ImportError as error:
        refusal = explain(error)
        if refusal is None:
            raise
        text = f"cannot run here: {refusal}"
        parser = subparsers.add_parser(name, help=text.replace("%", "%%"), description=text)
        parser.set_defaults(refusal=refusal)
        return
    command.add_parser(subparsers).set_defaults(**{runs_as: command.run})
