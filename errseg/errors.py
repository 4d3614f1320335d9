"""The one error that is meant for the person at the keyboard."""


class InputError(ValueError):
    """Something a person gave can't be used; the message says what, and what would be right.

    The app and the command line show the message as it is and go on.
    """
