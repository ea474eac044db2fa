"""`python -m telemetry`: the command, where the package is not installed."""

from telemetry.cli import main

if __name__ == "__main__":
    main()
