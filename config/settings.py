"""Settings: one file; every difference between deployments is an environment variable.

The variables and their defaults stand in `.env.example` (a test compares the two).
"""

import os
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"  # as in pyproject.toml; written into what is taken home
env = environ.Env()
env.read_env(BASE_DIR / ".env")

DATA_DIR = Path(env("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)


def _local_secret_key() -> str:
    """One machine needs no setting: the key is made once and kept beside the data."""
    file = DATA_DIR / "secret_key"
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as f:
            f.write(get_random_secret_key() + get_random_secret_key())
    except FileExistsError:
        pass
    return file.read_text()


SECRET_KEY = env("SECRET_KEY", default="") or _local_secret_key()
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "template_partials",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "generation",
    "annotation",
    "analysis",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "annotation.refusals.log_refusals",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
                "generation.permissions.context",
            ],
        },
    },
]

# Database. The SQLite options make 50 readers' autosaves succeed where Django's defaults
# answer "database is locked"; one write lock is why ATOMIC_REQUESTS stays off.
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Files. Images are never served from here: views check who asks.
MEDIA_ROOT = Path(env("MEDIA_ROOT", default=str(DATA_DIR / "media")))
STORAGE_BUCKET = env("STORAGE_BUCKET", default="")  # S3-compatible; instead of MEDIA_ROOT
STORAGE_ENDPOINT = env("STORAGE_ENDPOINT", default="")
STORAGE_REGION = env("STORAGE_REGION", default="")
STORAGE_ACCESS_KEY = env("STORAGE_ACCESS_KEY", default="")
STORAGE_SECRET_KEY = env("STORAGE_SECRET_KEY", default="")
STORAGE_PREFIX = env("STORAGE_PREFIX", default="").strip("/")
# Checkpoints that trainings on the pages make.
MODELS_ROOT = Path(env("MODELS_ROOT", default=str(DATA_DIR / "models"))).resolve()
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "generation.storage.FolderStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
if STORAGE_BUCKET:
    STORAGES["default"] = {
        "BACKEND": "generation.bucket.BucketStorage",
        "OPTIONS": {
            "bucket_name": STORAGE_BUCKET,
            "endpoint_url": STORAGE_ENDPOINT or None,
            "region_name": STORAGE_REGION or None,
            "access_key": STORAGE_ACCESS_KEY or None,
            "secret_key": STORAGE_SECRET_KEY or None,
            "location": STORAGE_PREFIX,
        },
    }
WHITENOISE_USE_FINDERS = True

# Sign-in
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
SIGN_UP = env.bool("SIGN_UP", default=False)  # as a researcher, by whoever reaches the site
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
# By person and address together: else one hospital's shared address locks everyone out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14

# E-mail: invitations. Without a server, messages are printed where the web process runs.
globals().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10  # seconds; somebody waits
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Blindread <blindread@localhost>")

# Transport. HTTPS=True behind a TLS-terminating proxy that sets X-Forwarded-Proto.
HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
if HTTPS:
    SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# The queue: a file by default, Redis or RabbitMQ in production.
CELERY_BROKER_URL = env("BROKER_URL", default=f"sqla+sqlite:///{DATA_DIR / 'queue.sqlite3'}")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The rows know what is to be done, so a message may get lost; and a worker deep in its work can't
# answer the broker's heartbeat.
CELERY_TASK_ACKS_LATE = False
CELERY_BROKER_HEARTBEAT = 0
# Nobody asks workers by way of the broker, and RabbitMQ may keep a dead worker's queue for that,
# so that its successor can't start.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# The worker
DEVICE = env("DEVICE", default="auto")  # auto | cpu | cuda | cuda:1
EMBEDDER = env("EMBEDDER", default="efficientnet-lite0")
EMBEDDER_SOURCES = env.dict("EMBEDDER_SOURCES", default={})
METRIC_MODULES = env.list("METRIC_MODULES", default=[])

# The language model that words prompts anew; `manage.py rephrase --endpoint` takes the key too
REPHRASING_ENDPOINT = env("REPHRASING_ENDPOINT", default="")
REPHRASING_MODEL = env("REPHRASING_MODEL", default="")
REPHRASING_API_KEY = env("REPHRASING_API_KEY", default="")

# The API (config/api.py)
API_RATE = env("API_RATE", default="600/min")  # requests of one person
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "generation.api.access.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["generation.api.access.MayUse"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["generation.api.transport.ShallowJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "generation.api.transport.AlwaysJSON",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "generation.api.transport.Pages",
    "DEFAULT_SCHEMA_CLASS": "generation.api.schema.Described",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": API_RATE},
    "EXCEPTION_HANDLER": "config.api.as_problem",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # A name with half a surrogate pair can be echoed in ASCII alone.
    "UNICODE_JSON": False,
}
KNOX_TOKEN_MODEL = "generation.AccessToken"
MIGRATION_MODULES = {"knox": None}  # they make a table of its own model, which nothing uses
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_PREFIX": "br_", "TOKEN_TTL": None}

SPECTACULAR_SETTINGS = {
    "TITLE": "Blindread",
    "VERSION": "1",
    "DESCRIPTION": "All that a researcher can do on the pages, for programs.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "AUTHENTICATION_WHITELIST": ["generation.api.access.TokenAuthentication"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {"ReaderStateEnum": "annotation.models.Reader.State"},
    "TAGS": [
        {"name": name, "description": said}
        for name, said in {
            "Account": "Who asks, and what their token may do.",
            "Data": "Data sets, prompts and images.",
            "Generation": "Generators, runs and trainings.",
            "Studies": "From a draft to its unblinding.",
            "Readers": "Who reads a study, and who is invited to.",
            "Protocols": "What a study asks of its readers.",
            "Results": "Reports and answers, once they may be seen.",
        }.items()
    ],
}

# Languages of readers' pages (docs/languages.md): what was chosen, else what the browser asks for.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 60 * 60 * 24 * 365
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {"weasyprint.progress": {"level": "WARNING"}},  # else a line a page of a report
}
