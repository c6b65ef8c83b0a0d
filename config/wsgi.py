"""The web application. It starts only on reachable engines and with the keys its data was made with."""

import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config import engines

with engines.refusals_as_sentences():
    engines.hold()
    django.setup()

    from consent import restoring
    from contacts import rights, services

    services.check_keys()
    rights.check_erasures()
    restoring.check()
    application = get_wsgi_application()
