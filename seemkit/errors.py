"""The exception for input that the user can fix."""


class InputError(ValueError):
    """Invalid input: a file, a field, a key or a prompt.

    The message is one line. It names the place (file, field or key), the fault and the remedy. The command line prints
    the message without a traceback and exits with code 2.
    """
