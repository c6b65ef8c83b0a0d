"""Every setting of Assent, read once from the environment (`.env.example` lists the variables)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from config import embedded, environment, keys

BASE_DIR = Path(__file__).resolve().parent.parent

# Without a DATABASE_URL the engines are the embedded ones: that is what development means here.
DEVELOPMENT = not environment.text("DATABASE_URL")
ASSENT_VAR = environment.var()
ASSENT_JOURNAL = environment.journal(ASSENT_VAR)
_embedded = embedded.addresses(ASSENT_VAR)

# Core
DEBUG = environment.boolean("DEBUG", default=DEVELOPMENT)
SECRET_KEY, ASSENT_KEYS = keys.load(development=DEVELOPMENT)
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")
PUBLIC_URL = environment.url(
    "PUBLIC_URL", environment.text("PUBLIC_URL", "http://localhost:8000"), {"http", "https"}
).rstrip("/")
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS") or [
    urlsplit(PUBLIC_URL).hostname or "localhost",
    *(["localhost", "127.0.0.1", "[::1]"] if DEBUG else []),
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXIES = environment.integer("TRUSTED_PROXIES", default=0)
METRICS_TOKEN = environment.text("METRICS_TOKEN")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "pgtrigger",
    "anymail",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "contacts",
    "consent",
    "campaigns",
    "config.apps.ConfigApp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.access.headers.Headers",
    # In development Django's own server finds the files where they are written.
    *([] if DEVELOPMENT else ["whitenoise.middleware.WhiteNoiseMiddleware"]),
    "consent.middleware.CookieFree",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.access.attribution.Attribution",
    "config.access.second_factor.SecondFactorRequired",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Database
DATABASES = {
    "default": environment.database(environment.text("DATABASE_URL") or _embedded.database_url)
}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# Redis: budgets of the public doors, and Celery
REDIS_URL = environment.url(
    "REDIS_URL", environment.text("REDIS_URL") or _embedded.redis_url, {"redis", "rediss", "unix"}
)
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

# Celery: a task is a nudge that carries ids; nothing waits for a result and nothing has an eta
CELERY_BROKER_URL = environment.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 5, "socket_timeout": 30}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "campaigns.deliver": {"queue": "deliver"},
    "consent.send_service_mail": {"queue": "service"},
    "consent.send_service_texts": {"queue": "service"},
    # What takes minutes never stands before what takes milliseconds.
    "consent.run_import": {"queue": "long"},
    "consent.take_out_erased": {"queue": "long"},
    "consent.end_uses": {"queue": "long"},
    "consent.verify_ledger": {"queue": "long"},
    "contacts.count_expired": {"queue": "long"},
    "contacts.erase_expired": {"queue": "long"},
    "contacts.settle_choices": {"queue": "long"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "start what is due": {"task": "campaigns.tick", "schedule": timedelta(seconds=2)},
    "count the audience": {"task": "campaigns.count_audience", "schedule": timedelta(minutes=5)},
    "seal the ledger": {"task": "consent.seal", "schedule": timedelta(seconds=4)},
    "send service mail": {"task": "consent.send_service_mail", "schedule": timedelta(seconds=5)},
    "send service texts": {"task": "consent.send_service_texts", "schedule": timedelta(seconds=5)},
    "go on with imports": {"task": "consent.resume_imports", "schedule": timedelta(seconds=10)},
    "write down noes": {"task": "consent.write_noes", "schedule": timedelta(minutes=1)},
    "ask to renew": {"task": "consent.ask_to_renew", "schedule": timedelta(seconds=20)},
    "expire permissions": {"task": "consent.expire_permissions", "schedule": timedelta(hours=1)},
    "forget the oldest of the trail": {
        "task": "config.forget_trail",
        "schedule": timedelta(hours=24),
    },
    "verify what was asked": {"task": "consent.verify_ledger", "schedule": timedelta(minutes=1)},
    "count what was asked": {"task": "contacts.count_asked", "schedule": timedelta(seconds=10)},
    "count what would expire": {"task": "contacts.count_expired", "schedule": timedelta(minutes=1)},
    "erase what is kept too long": {
        "task": "contacts.erase_expired",
        "schedule": timedelta(hours=24),
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(ASSENT_VAR / "celerybeat-schedule")

# Mail: newsletters go through a sender's transport, service mail through this backend
EMAIL_BACKEND = environment.text("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
_email = environment.email(environment.text("EMAIL_URL", "smtp://localhost:25"))
EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _email["EMAIL_USE_TLS"], _email["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL", "Assent <newsletter@localhost>")
ASSENT_MAILBOX = environment.text("ASSENT_MAILBOX")
# No subscription of anybody's topic is confirmed by fetching what a post says.
ANYMAIL = {"AMAZON_SES_AUTO_CONFIRM_SNS_SUBSCRIPTIONS": False, **environment.options("ANYMAIL")}

# Text messages: campaigns and service texts go through one gateway; without one, none are offered
_sms = environment.sms(environment.text("SMS_URL"))
SMS_GATEWAY_URL = _sms["SMS_GATEWAY_URL"]
SMS_ACCOUNT, SMS_AUTH_TOKEN = _sms["SMS_ACCOUNT"], _sms["SMS_AUTH_TOKEN"]
SMS_FROM = environment.text("SMS_FROM")
SMS_COUNTRIES = environment.countries("SMS_COUNTRIES")
SMS_SERVICE_PER_HOUR = environment.integer("SMS_SERVICE_PER_HOUR", default=100)
if SMS_GATEWAY_URL and not (SMS_FROM and SMS_COUNTRIES):
    raise ImproperlyConfigured("SMS_URL is set: SMS_FROM and SMS_COUNTRIES must be, too.")

# Consent
WORDING_NEEDS_SECOND_PERSON = environment.boolean("WORDING_NEEDS_SECOND_PERSON", default=False)
SOFT_OPT_IN_REASON = environment.text("SOFT_OPT_IN_REASON")

# Imports
REFUSED_ROWS_DAYS = environment.integer("REFUSED_ROWS_DAYS", default=90, least=1)

# The audit trail: months that entries are kept; 0 keeps them for good, and less than 6 is refused
AUDIT_TRAIL_MONTHS = environment.integer("AUDIT_TRAIL_MONTHS", default=36)
if 0 < AUDIT_TRAIL_MONTHS < 6:
    raise ImproperlyConfigured(
        "AUDIT_TRAIL_MONTHS is 0, which keeps entries for good, or 6 and more."
    )

# Files of people in clear
EXPORT_ROWS = environment.integer("EXPORT_ROWS", default=10_000, least=1)
EXPORT_NEEDS_SECOND_PERSON = environment.boolean("EXPORT_NEEDS_SECOND_PERSON", default=False)

# Campaigns
CAMPAIGN_NEEDS_APPROVAL = environment.boolean("CAMPAIGN_NEEDS_APPROVAL", default=False)

# Days that opens and clicks are kept after the last of them: thirteen months, to compare a season with the
# last one (what the CNIL recommends for measuring an audience)
MEASUREMENT_DAYS = environment.integer("MEASUREMENT_DAYS", default=396, least=1)

# Delivery
DELIVERY_UNIT = environment.integer("DELIVERY_UNIT", default=50, least=1)
DELIVERY_LANES = environment.integer("DELIVERY_LANES", default=4, least=1)
DELIVERY_LEASE_S = environment.integer("DELIVERY_LEASE_S", default=60, least=4)

# Sign-in and sessions
STAFF_MFA_REQUIRED = environment.boolean("STAFF_MFA_REQUIRED", default=not DEVELOPMENT)
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
ACCOUNT_ADAPTER = "config.access.adapters.StaffAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "none"  # nobody is kept out by it; tests go to verified addresses only
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Assent: "
MFA_ADAPTER = "config.access.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Assent"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = PUBLIC_URL.startswith("http://localhost")
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = PUBLIC_URL.startswith("https://") and not DEBUG
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = bool(SECURE_HSTS_SECONDS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Language and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True

# Files
STATIC_URL = "static/"
STATIC_ROOT = ASSENT_VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
IMAGE_STORAGE = environment.text("IMAGE_STORAGE", "django.core.files.storage.FileSystemStorage")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "images": {
        "BACKEND": IMAGE_STORAGE,
        "OPTIONS": environment.options("IMAGE_STORAGE_OPTIONS")
        or (
            {"location": str(ASSENT_VAR / "images")}
            if IMAGE_STORAGE.endswith(".FileSystemStorage")
            else {}
        ),
    },
}

# The desk: navigation, colors and dashboard of the admin


_own_pages: set[str] = set()


def _may(permission: str) -> Callable[[Any], bool]:
    return lambda request: request.user.has_perm(permission)


def _page(title: Any, icon: str, name: str, permission: str) -> dict[str, Any]:
    """One page of the sidebar that is no list: its name in the admin, and the permission it asks for."""
    _own_pages.add(name)
    return _item(title, icon, name, permission)


def _item(title: Any, icon: str, name: str, permission: str) -> dict[str, Any]:
    """The longest address wins: a list is not where one of its pages with an entry of its own is shown."""
    link = reverse_lazy(f"admin:{name}")

    def is_here(request: Any) -> bool:
        shown = request.resolver_match.url_name if request.resolver_match else ""
        return shown == name or (request.path.startswith(str(link)) and shown not in _own_pages)

    return {
        "title": title,
        "icon": icon,
        "link": link,
        "permission": _may(permission),
        "active": is_here,
    }


def _pages(title: Any, *pages: tuple[Any, str, str] | dict[str, Any]) -> dict[str, Any]:
    """A group of the sidebar; a list is (title, icon, "app.model") and shown to those who may view it."""
    return {
        "title": title,
        "separator": True,
        "items": [page if isinstance(page, dict) else _list(*page) for page in pages],
    }


def _list(title: Any, icon: str, model: str) -> dict[str, Any]:
    name = f"{model.replace('.', '_')}_changelist"
    return _item(title, icon, name, model.replace(".", ".view_"))


# Where this installation has switched it on.
_SOFT_OPT_IN = [
    _page(
        _("Record soft opt-in"),
        "storefront",
        "consent_permission_record_basis",
        "consent.record_basis",
    )
][: bool(SOFT_OPT_IN_REASON)]

UNFOLD = {
    "SITE_TITLE": "Assent",
    "SITE_HEADER": "Assent",
    "SITE_SUBHEADER": _("Only to people who said yes"),
    "SITE_SYMBOL": "mark_email_read",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("assent.svg"),
        }
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "ACCOUNT": {
        "navigation": [
            {"title": _("Second factor"), "link": reverse_lazy("mfa_index")},
            {"title": _("Password"), "link": reverse_lazy("account_change_password")},
            {"title": _("Email"), "link": reverse_lazy("account_email")},
            {"title": _("API tokens"), "link": reverse_lazy("admin:config_apitoken_changelist")},
        ]
    },
    "DASHBOARD_CALLBACK": "campaigns.admin.dashboard.fill",
    "STYLES": [lambda _request: static("desk/desk.css")],
    "SCRIPTS": [lambda _request: static("desk/tabs.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(97.4% .014 196)",
            "100": "oklch(94.2% .03 196)",
            "200": "oklch(88.4% .05 197)",
            "300": "oklch(80.2% .07 198)",
            "400": "oklch(70.6% .085 199)",
            "500": "oklch(58.6% .084 200)",
            "600": "oklch(48.6% .074 201)",
            "700": "oklch(42.2% .064 202)",
            "800": "oklch(36% .053 203)",
            "900": "oklch(31.4% .044 204)",
            "950": "oklch(22.6% .034 205)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {"items": [{"title": _("Today"), "icon": "home", "link": reverse_lazy("admin:index")}]},
            _pages(
                _("Sending"),
                (_("Campaigns"), "campaign", "campaigns.campaign"),
                (_("Deliveries"), "outgoing_mail", "campaigns.delivery"),
                (_("Images"), "image", "campaigns.image"),
                (_("Senders"), "alternate_email", "campaigns.sender"),
            ),
            _pages(
                _("People"),
                (_("Contacts"), "group", "contacts.contact"),
                (_("Segments"), "filter_alt", "contacts.segment"),
                (_("Tags"), "sell", "contacts.tag"),
                (_("Static lists"), "checklist", "contacts.staticlist"),
                (_("Imports"), "upload_file", "consent.importbatch"),
            ),
            _pages(
                _("Consent"),
                (_("Topics"), "topic", "consent.topic"),
                (_("Wordings"), "format_quote", "consent.wording"),
                (_("Permissions"), "how_to_reg", "consent.permission"),
                (_("Renewals"), "autorenew", "consent.renewalround"),
                *_SOFT_OPT_IN,
                (_("Suppressions"), "block", "consent.suppression"),
            ),
            _pages(
                _("Privacy"),
                _page(
                    _("Find a person"),
                    "person_search",
                    "contacts_contact_find",
                    "contacts.view_identity",
                ),
                (_("Requests"), "assignment_ind", "contacts.subjectrequest"),
                (_("Holds"), "gavel", "contacts.hold"),
                _page(
                    _("Ledger at a glance"),
                    "verified",
                    "consent_ledgercheckpoint_status",
                    "consent.view_ledgercheckpoint",
                ),
                (_("Ledger"), "menu_book", "consent.consentevent"),
                _page(
                    _("Retention"),
                    "auto_delete",
                    "contacts_datafield_retention",
                    "contacts.view_retentionrun",
                ),
                _page(
                    _("Record of processing"),
                    "receipt_long",
                    "contacts_datafield_record",
                    "contacts.view_datafield",
                ),
                (_("Processors"), "handshake", "contacts.processor"),
                (_("Exports"), "file_save", "contacts.export"),
                (_("Views of identities"), "visibility", "contacts.identityview"),
            ),
            _pages(
                _("House"),
                (_("Organization"), "apartment", "consent.organization"),
                (_("Registered fields"), "data_object", "contacts.datafield"),
                (_("Service mail"), "mark_email_unread", "consent.servicemail"),
                (_("Staff"), "badge", "auth.user"),
                (_("Roles"), "admin_panel_settings", "auth.group"),
                (_("Audit trail"), "history", "config.auditentry"),
            ),
        ],
    },
}

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "config.api.parsers.TextParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.ModelPermissions"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.NewestFirst",
    "PAGE_SIZE": 100,
    "EXCEPTION_HANDLER": "config.api.errors.answer_refusal",
    "DEFAULT_THROTTLE_RATES": {"token": "10/min"},
    "NUM_PROXIES": TRUSTED_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Assent",
    "DESCRIPTION": "Contacts, permissions and campaigns: every message names the consent behind it.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    # The documentation page loads nothing from other hosts.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "ChannelEnum": "contacts.models.Channel",
        "CampaignChannelEnum": [("email", "email"), ("sms", "text message")],
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "config.logs.WithoutSecrets",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": environment.text("LOG_LEVEL", "INFO")},
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
}

if not DEBUG and SECRET_KEY.startswith("django-insecure"):
    raise ImproperlyConfigured(
        "SECRET_KEY is the example's; `manage.py make_keys` prints a fresh one."
    )
