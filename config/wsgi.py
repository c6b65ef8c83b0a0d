"""The web application. It starts only on reachable engines and with the keys its data was made with."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config import engines  # noqa: E402

engines.hold()
application = get_wsgi_application()

from contacts import services  # noqa: E402

services.check_keys()
