from importlib import import_module

from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "analysis"

    def ready(self) -> None:
        from django.conf import settings

        for module in settings.METRIC_MODULES:
            import_module(module)  # registers its metrics
