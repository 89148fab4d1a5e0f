from importlib import import_module

from django.apps import AppConfig


class AnalysisConfig(AppConfig):
    name = "analysis"

    def ready(self) -> None:
        from django.conf import settings

        for module in settings.METRIC_MODULES:
            import_module(module)  # registers its metrics
        _tell_what_is_computable()
        _tell_where_names_are()


def _tell_what_is_computable() -> None:
    """To the plans of protocols, which stand a floor below and can't ask."""
    from analysis.metrics import METRICS
    from analysis.metrics.embedders import EmbedderError, embedder_row
    from annotation.protocols.plan import COMPUTABLE

    def fault(name: str) -> str:
        try:
            embedder_row(name)
        except EmbedderError as error:
            return str(error)
        return ""

    # Of whole arms a study has too few to set against readers.
    COMPUTABLE.metrics = {m.key: m.name for m in METRICS.values() if m.scope != "arm"}
    COMPUTABLE.embedder_fault = fault


def _tell_where_names_are() -> None:
    """To the erasing of readers, a floor below."""
    from analysis import erasure
    from annotation.erasure import ELSEWHERE

    ELSEWHERE.append(erasure)
