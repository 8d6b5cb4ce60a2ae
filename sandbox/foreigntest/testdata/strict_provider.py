"""Judges one SAML response as a strict service provider that stands where AWS
sign-in stands. Reads a JSON object from standard input, prints one."""
import json
import sys
from urllib.parse import urlsplit

from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

ask = json.load(sys.stdin)
here = urlsplit(ask["acs"])
settings = OneLogin_Saml2_IdPMetadataParser.merge_settings(
    {
        "strict": True,
        "sp": {"entityId": ask["audience"], "assertionConsumerService": {"url": ask["acs"]}},
        "security": {
            "wantMessagesSigned": ask["messages"],
            "wantAssertionsSigned": True,
            "wantNameId": True,
            "wantAttributeStatement": True,
            "rejectDeprecatedAlgorithm": True,
        },
    },
    OneLogin_Saml2_IdPMetadataParser.parse(ask["metadata"]),
)
response = OneLogin_Saml2_Response(OneLogin_Saml2_Settings(settings, sp_validation_only=True), ask["response"])
request = {
    "https": "on",
    "http_host": here.netloc,
    "script_name": here.path,
    "post_data": {"SAMLResponse": ask["response"]},
}
if response.is_valid(request):
    print(json.dumps({"ok": True, "name": response.get_nameid(), "attributes": response.get_attributes()}))
else:
    print(json.dumps({"ok": False, "why": response.get_error()}))
