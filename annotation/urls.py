"""Addresses of studies (for researchers) and readings (for readers)."""

from django.urls import include, path

from annotation.views import (
    audits,
    balance,
    cases,
    erasure,
    invitations,
    members,
    monitoring,
    new_study,
    protocols,
    readers,
    references,
    studies,
)

app_name = "annotation"
urlpatterns = [
    path("studies/", studies.study_list, name="study-list"),
    path("new-study/", new_study.study_new, name="study-new"),  # “new” may be a study's slug
    path("studies/<slug:slug>/", studies.study, name="study"),
    path("studies/<slug:slug>/change/", new_study.study_change, name="study-change"),
    path("studies/<slug:slug>/delete/", new_study.study_delete, name="study-delete"),
    path("studies/<slug:slug>/references/", references.study_references, name="study-references"),
    path(
        "studies/<slug:slug>/references/<int:position>/",
        references.case_references,
        name="case-references",
    ),
    path("studies/<slug:slug>/members/", members.study_members, name="study-members"),
    path(
        "studies/<slug:slug>/members/<int:pk>/remove/",
        members.study_member_remove,
        name="study-member-remove",
    ),
    path("studies/<slug:slug>/monitoring/", monitoring.study_monitoring, name="study-monitoring"),
    path("studies/<slug:slug>/remind/", readers.study_remind, name="study-remind"),
    path("studies/<slug:slug>/readers/", readers.study_readers, name="study-readers"),
    path("studies/<slug:slug>/readers/<int:number>/", monitoring.study_reader, name="study-reader"),
    path(
        "studies/<slug:slug>/readers/<int:number>/signs/<slug:rule>/",
        monitoring.study_look,
        name="study-look",
    ),
    path(
        "studies/<slug:slug>/readers/<int:number>/pause/",
        readers.study_pause,
        {"act": "pause"},
        name="study-pause",
    ),
    path(
        "studies/<slug:slug>/readers/<int:number>/resume/",
        readers.study_pause,
        {"act": "resume"},
        name="study-resume",
    ),
    path(
        "studies/<slug:slug>/readers/<int:number>/revoke/",
        readers.study_revoke,
        name="study-revoke",
    ),
    path(
        "studies/<slug:slug>/readers/<int:number>/erase/",
        erasure.reader_erase,
        name="reader-erase",
    ),
    path("studies/<slug:slug>/invitations/", invitations.study_invite, name="study-invite"),
    path(
        "studies/<slug:slug>/invitations/<int:pk>/revoke/",
        invitations.study_uninvite,
        name="study-uninvite",
    ),
    path(
        "studies/<slug:slug>/invitations/<int:pk>/renew/",
        invitations.study_renew,
        name="study-renew",
    ),
    path("studies/<slug:slug>/balance/", balance.study_balance, name="study-balance"),
    path(
        "studies/<slug:slug>/cases/<int:position>/exclude/",
        cases.case_exclude,
        name="case-exclude",
    ),
    path(
        "studies/<slug:slug>/cases/<int:position>/include/",
        cases.case_include,
        name="case-include",
    ),
    path(
        "studies/<slug:slug>/cases/<int:position>/sets/<int:arm>/sample/",
        cases.set_sample,
        name="set-sample",
    ),
    path("studies/<slug:slug>/images/<int:pk>/", cases.study_image, name="study-image"),
    path("studies/<slug:slug>/audit/", audits.study_audit, name="study-audit"),
    path("studies/<slug:slug>/runs/<int:pk>/<slug:act>/", studies.study_run, name="study-run"),
    path("studies/<slug:slug>/act/<slug:act>/", studies.study_act, name="study-act"),
    path("protocols/", protocols.protocol_list, name="protocol-list"),
    path("protocols/<int:pk>/", protocols.protocol_change, name="protocol-change"),
    path("protocols/<int:pk>/delete/", protocols.protocol_delete, name="protocol-delete"),
    path("protocols/<slug:origin>/<slug:key>/copy/", protocols.protocol_copy, name="protocol-copy"),
    path("", include("annotation.account_urls")),
    path("invitation/", include("annotation.invitation_urls")),
    path("preview/", include("annotation.preview_urls")),
    path("read/", include("annotation.reading_urls")),
]
