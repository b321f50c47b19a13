# SPDX-License-Identifier: GPL-3.0-or-later
from django.core.asgi import get_asgi_application

application = get_asgi_application()
