"""``python -m trunkpulse`` is the ``trunkpulse`` command."""

from trunkpulse.cli import main

if __name__ == "__main__":
    main()
