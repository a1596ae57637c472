"""The entry of the command line: errors become a sentence and an exit code."""

import sys


def main() -> None:
    """Run the command line; exit 0 for done, 1 for an honest refusal, 2 for wrong use, 3 for a fault."""
    sys.exit(_code(sys.argv[1:]))


def _code(arguments: list[str]) -> int:
    import typer
    from typer.exceptions import TyperException

    from pipeline.base.errors import TonewatchError
    from pipeline.cli.app import app

    try:
        return int(
            typer.main.get_command(app).main(arguments, prog_name="tonewatch", standalone_mode=False) or 0
        )
    except typer.Exit as wanted:
        return wanted.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _tell("Stopped. What was finished is kept; type the same again to go on.", arguments, 130)
    except TyperException as error:
        # Asked for help by typing nothing: the help is the message, and there is nothing to add to it.
        return _tell(
            f"{error.format_message()}\nType `tonewatch --help` or `tonewatch COMMAND --help`.", arguments, 2
        )
    except TonewatchError as error:
        return _tell(str(error), arguments, error.exit_code)
    except Exception as error:
        told = f"{type(error).__name__}: {error}\nThis is a fault of ours or of the machine; add `--debug` to see where."
        return _tell(told, arguments, 3)


def _tell(message: str, arguments: list[str], code: int) -> int:
    import json
    import traceback

    if "--debug" in arguments:
        traceback.print_exc()
    if "--json" in arguments:
        print(json.dumps({"error": message, "code": code}, ensure_ascii=False))
    print(f"tonewatch: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
