# Made by switchyard.django. With DEBUG off, Django's own logging shows the error of a request to ADMINS alone, and to
# nobody where there are none: so the journal gets it as well. A project that sets LOGGING decides for itself.
import logging

from django.conf import settings


def to_journal():
    """Write what Django logs as an error, with its traceback, to standard error, which the journal keeps."""
    if settings.LOGGING or not settings.LOGGING_CONFIG:
        return
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger("django").addHandler(handler)
