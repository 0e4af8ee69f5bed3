"""The checks of this project, each in its own environment: ``nox`` runs all, ``nox -s lint types`` some."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "docs", "tests"]  # slurm runs when it is named

EXTRAS = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, spelling and the direction of imports; needs no installed package."""
    session.install(*EXTRAS["lint"])
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell")
    session.run("lint-imports", env={"PYTHONPATH": "plugins"})


@nox.session
def types(session: nox.Session) -> None:
    """Static types; of the benchmarks only whether what they call exists."""
    session.install("-e", ".[types]")
    session.run("mypy")
    session.run("mypy", "--config-file", "benchmarks/mypy.ini")


@nox.session
def docs(session: nox.Session) -> None:
    """The pages, in docs/_build; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "docs", "docs/_build", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite without the slow tests; arguments after ``--`` go to pytest."""
    session.install("-e", ".[tests]")
    session.run("pytest", *session.posargs)


@nox.session
def slurm(session: nox.Session) -> None:
    """All tests on a SLURM cluster of two nodes on this host; needs Debian's slurmctld, slurmd, slurm-client, munge."""
    session.install("-e", ".[tests]")
    session.run("pytest", "-m", "slow", "tests/slurm", *session.posargs, env={"SEEMKIT_LONG_SLURM": "1"})
