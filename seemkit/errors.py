"""The one exception for input that a user can mend."""


class InputError(ValueError):
    """Bad input: a file, a field, a key or a prompt.

    The message is one line that names what is wrong, where (file, field or key) and what to do. The command line prints
    it without a traceback and exits with code 2.
    """
