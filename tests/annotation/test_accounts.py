"""Accounts: the first one, signing up, one's own, a forgotten password."""

import re
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.urls import reverse

from annotation.account_forms import FirstAccountForm
from annotation.accounts import AccountError, language_of, make_first_account, setup_code
from generation.permissions import is_researcher
from tests import builders
from tests.at_once import at_once

pytestmark = pytest.mark.django_db
FIRST = "/accounts/first/"
NEW = {
    "username": "olga",
    "email": "olga@example.org",
    "password1": "polyps-and-folds",
    "password2": "polyps-and-folds",
}
HOME = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}


@pytest.fixture(autouse=True)
def _on_one_machine(settings):
    """As without any setting; the test client's own name is added by the tests alone."""
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


class TestTheFirst:
    def test_an_empty_site_leads_to_it_and_it_administers_the_site(self, client):
        response = client.get("/", follow=True, **HOME)
        assert response.redirect_chain[-1][0] == FIRST
        assert "Set-up code" not in response.content.decode()
        response = client.post(FIRST, NEW, follow=True, **HOME)
        assert response.redirect_chain[-1][0] == reverse("annotation:study-list")
        user = User.objects.get()
        assert (user.is_superuser, user.is_staff, is_researcher(user)) == (True, True, True)

    def test_it_is_made_once(self, client):
        builders.a_user("alice")
        assert client.get(FIRST, **HOME).url == reverse("login")
        assert client.post(FIRST, NEW, **HOME).url == reverse("login")
        with pytest.raises(AccountError, match="already"):
            make_first_account(lambda: builders.a_user("olga"))
        assert not User.objects.filter(username="olga").exists()
        assert client.get(reverse("login"), **HOME).status_code == 200

    @pytest.mark.parametrize(
        "asked",
        [
            {**HOME, "REMOTE_ADDR": "192.0.2.7"},
            {**HOME, "REMOTE_ADDR": ""},
            {**HOME, "HTTP_X_FORWARDED_FOR": "192.0.2.7"},
            {**HOME, "HTTP_FORWARDED": "for=192.0.2.7"},
            {**HOME, "HTTP_X_REAL_IP": "127.0.0.1"},
        ],
    )
    def test_from_afar_or_through_a_proxy_it_takes_the_code(self, client, caplog, asked):
        assert "Set-up code" in client.get(FIRST, **asked).content.decode()
        assert setup_code() in caplog.text
        for code in ("", "00000-00000-00000-00000"):
            response = client.post(FIRST, {**NEW, "code": code}, **asked)
            assert response.status_code == 200
        assert not User.objects.exists()
        client.post(FIRST, {**NEW, "code": setup_code().upper()}, **asked)
        assert User.objects.get().is_superuser

    @pytest.mark.parametrize("hosts", [["localhost", "reads.example.org"], ["*"], [".local"]])
    def test_a_site_that_answers_to_others_takes_the_code_from_everywhere(
        self, client, settings, hosts
    ):
        settings.ALLOWED_HOSTS = [*hosts, "localhost"]
        assert "Set-up code" in client.get(FIRST, **HOME).content.decode()
        assert client.post(FIRST, NEW, **HOME).status_code == 200
        assert not User.objects.exists()

    def test_the_command_prints_the_code_until_there_is_an_account(self, capsys):
        call_command("setup_code")
        assert capsys.readouterr().out.strip() == setup_code()
        builders.a_user("alice")
        with pytest.raises(CommandError, match="already"):
            call_command("setup_code")

    def test_another_secret_gives_another_code(self, settings):
        before = setup_code()
        settings.SECRET_KEY = "another"
        assert setup_code() != before
        assert len(before.replace("-", "")) == 20  # 80 bits

    @pytest.mark.services
    @pytest.mark.usefixtures("connections_of_their_own")
    def test_of_many_at_once_one_becomes_the_administrator(self):
        forms = [
            FirstAccountForm({**NEW, "username": f"olga-{n}"}, with_code=False) for n in range(4)
        ]
        assert all(form.is_valid() for form in forms)
        errors = at_once([partial(make_first_account, form.save) for form in forms])
        assert [type(error) for error in errors] == [AccountError] * 3
        assert User.objects.count() == 1


class TestSigningUp:
    def test_it_is_closed_unless_the_site_opens_it(self, client, alice, settings):
        assert client.get("/accounts/sign-up/", **HOME).status_code == 404
        assert client.post("/accounts/sign-up/", NEW, **HOME).status_code == 404
        assert "sign-up" not in client.get(reverse("login"), **HOME).content.decode()
        settings.SIGN_UP = True
        assert "/accounts/sign-up/" in client.get(reverse("login"), **HOME).content.decode()

    def test_it_makes_a_researcher_and_no_more(self, client, alice, settings):
        settings.SIGN_UP = True
        client.post("/accounts/sign-up/", NEW, **HOME)
        user = User.objects.get(username="olga")
        assert (user.is_superuser, user.is_staff, is_researcher(user)) == (False, False, True)
        assert client.get("/", **HOME).url == reverse("annotation:study-list")

    def test_an_empty_site_has_its_first_account_first(self, client, settings):
        settings.SIGN_UP = True
        assert client.post("/accounts/sign-up/", NEW, **HOME).url == FIRST
        assert not User.objects.exists()


class TestOnesOwn:
    def test_name_address_and_language_are_changed(self, client, bob):
        client.force_login(bob)
        changed = {"first_name": "Боб", "last_name": "", "email": "b@example.org", "language": "ru"}
        response = client.post("/accounts/", changed, follow=True, **HOME)
        bob.refresh_from_db()
        assert (bob.first_name, bob.email, language_of(bob)) == ("Боб", "b@example.org", "ru")
        assert '<html lang="ru">' in response.content.decode()

    def test_what_is_wrong_changes_nothing(self, client, bob):
        client.force_login(bob)
        response = client.post("/accounts/", {"email": "nowhere", "first_name": "X"}, **HOME)
        assert "Nothing was changed" in response.content.decode()
        bob.refresh_from_db()
        assert (bob.first_name, bob.email) == ("", "")

    def test_the_language_chosen_once_comes_back_with_the_next_sign_in(self, client, bob):
        client.force_login(bob)
        client.post(reverse("set-language"), {"language": "ru"}, **HOME)
        assert language_of(bob) == "ru"
        client.cookies.clear()
        data = {"username": "bob", "password": "bob"}
        client.post(reverse("login"), data, **HOME)
        assert '<html lang="ru">' in client.get("/accounts/", **HOME).content.decode()

    def test_signing_out_everywhere_ends_every_visit_of_this_person_alone(self, client, bob, carol):
        from django.test import Client

        visits = [client, Client()]
        for visit in visits:
            visit.force_login(bob)
        other = Client()
        other.force_login(carol)
        assert client.post("/accounts/sign-out-everywhere/", **HOME).url == reverse("login")
        assert [visit.get("/accounts/", **HOME).status_code for visit in visits] == [302, 302]
        assert other.get("/accounts/", **HOME).status_code == 200

    def test_a_new_password_ends_the_visits_elsewhere(self, client, bob):
        from django.test import Client

        other = Client()
        for visit in (client, other):
            visit.force_login(bob)
        fields = {"old_password": "bob", "new_password1": "folds-and-haustra-7"}
        fields["new_password2"] = fields["new_password1"]
        response = client.post("/accounts/password/", fields, follow=True, **HOME)
        assert "The password is changed" in response.content.decode()
        assert other.get("/accounts/", **HOME).status_code == 302

    def test_a_forgotten_password_is_set_anew_by_a_link_that_works_once(self, client, bob):
        User.objects.filter(pk=bob.pk).update(email="bob@example.org")
        for address in ("nobody@example.org", "bob@example.org"):
            response = client.post(
                "/accounts/password/reset/", {"email": address}, follow=True, **HOME
            )
            assert "Look into your mail" in response.content.decode()
        (message,) = mail.outbox
        link = re.search(r"http://localhost:8000(/accounts/\S+)", message.body)[1]
        form = client.get(link, follow=True, **HOME)
        fields = {"new_password1": "folds-and-haustra-7", "new_password2": "folds-and-haustra-7"}
        client.post(form.redirect_chain[-1][0], fields, **HOME)
        bob.refresh_from_db()
        assert bob.check_password("folds-and-haustra-7")
        assert "not good any more" in client.get(link, follow=True, **HOME).content.decode()
