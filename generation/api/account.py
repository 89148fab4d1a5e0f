"""Who asks."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.resource import Resource
from generation.models import AccessToken


class AccountSerializer(serializers.Serializer):
    username = serializers.CharField()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=AccessToken.Scope.choices),
        help_text="Of the access token; all of them where somebody is signed in otherwise.",
    )
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Of the access token.")


@extend_schema(tags=["Account"])
class Account(Resource):
    serializer_class = AccountSerializer

    @extend_schema(summary="Who asks, and what this access token may do")
    def retrieve(self, request: Request) -> Response:
        token = request.auth if isinstance(request.auth, AccessToken) else None
        return Response(
            {
                "username": self.user.get_username(),
                "scopes": token.scopes if token else AccessToken.Scope.values,
                "expires_at": token.expiry if token else None,
            }
        )
