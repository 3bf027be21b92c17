"""`dualtrack`, the program; `python -m service.cli` is the same."""

from service.processes.first import end_at_sigterm


def main() -> None:
    """Entry point of `dualtrack`."""
    end_at_sigterm()
    # after that: the libraries of a command take seconds to import
    from service.cli.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
