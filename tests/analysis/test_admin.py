"""The admin of reports: to look at, not to edit."""

import pytest
from django.urls import reverse

from analysis.models import Embedding, Figure, MetricValue, Report
from tests.analysis.builders import a_rated_study, a_report, know_features

pytestmark = pytest.mark.django_db


def test_every_row_of_a_report_can_be_looked_at_and_none_edited(admin_client):
    study = a_rated_study(pairs=2)
    know_features(study)
    a_report(study)
    for model in (Report, MetricValue, Figure, Embedding):
        name = f"admin:analysis_{model._meta.model_name}"
        assert admin_client.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200
        row = reverse(f"{name}_change", args=[model.objects.first().pk])
        assert admin_client.get(row).status_code == 200
        assert admin_client.post(row, {}).status_code == 403
