"""The entry point of the command line: errors become a message and an exit code."""

import errno
import sys

# What a path that a person wrote leads to.
NO_PLACE = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


def main() -> None:
    """Run the command line; exit with 0 for done, 1 for a refusal, 2 for wrong use, 3 for a fault."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code; messages of errors go to stderr."""
    import typer
    from typer.exceptions import TyperException

    from pipeline.base.errors import TonewatchError
    from pipeline.cli.app import app

    command = typer.main.get_command(app)
    try:
        return int(command.main(arguments, prog_name="tonewatch", standalone_mode=False) or 0)
    except typer.Exit as exit_request:
        return exit_request.exit_code
    except (typer.Abort, KeyboardInterrupt):
        message = "Interrupted. Nothing is half-written; the same command continues after completed stages."
        return _fail(message, arguments, 130)
    except TyperException as error:
        advice = "See `tonewatch --help` or `tonewatch COMMAND --help`."
        return _fail(f"{error.format_message()}\n{advice}", arguments, 2)
    except TonewatchError as error:
        return _fail(str(error), arguments, error.exit_code)
    except OSError as error:
        if error.errno in NO_PLACE:
            message = f"{error.filename} is no place to use: {error.strerror}. Write another path."
            return _fail(message, arguments, 2)
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            return _fail_unexpected(error, arguments)
        message = (
            f"{error.filename} cannot be used by this user: {error.strerror}. Change its owner or rights, or "
            "mount it writable, then type the same again. Commands that only read work without it."
        )
        return _fail(message, arguments, 3)
    except Exception as error:
        return _fail_unexpected(error, arguments)


def _fail_unexpected(error: Exception, arguments: list[str]) -> int:
    message = f"{type(error).__name__}: {error}\nThis is unexpected. Add `--debug` for the traceback."
    return _fail(message, arguments, 3)


def _fail(message: str, arguments: list[str], code: int) -> int:
    import json
    import traceback

    from pipeline.base.secrets import scrub

    message = scrub(message)
    if "--debug" in arguments:
        print(scrub(traceback.format_exc()), file=sys.stderr, end="")
    if "--json" in arguments:
        print(json.dumps({"error": message, "code": code}, ensure_ascii=False))
    print(f"tonewatch: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
