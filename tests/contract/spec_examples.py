"""Exchanges for the judge of official descriptions: sound ones, and broken ones with the words that must name the fault.

`call` is "<vendor> <METHOD> <path>", bodies are values; the keys are the arguments of `judge` in test_specs.py.
"""

from typing import Any

JSON = {"Content-Type": "application/json;charset=UTF-8"}
MEMBER = "/api/v1/groups/00gawsprodadmin000001/users/00ualice0000000000001"
COMMENTS = "/rest/api/3/issue/SEC-1/comment"
PROPERTY = "/rest/api/3/issue/SEC-1/properties/nightlatch.0"
ADF = {
    "type": "doc",
    "version": 1,
    "content": [{"type": "paragraph", "content": [{"type": "text", "text": "granted"}]}],
}
AUTHOR = {"accountId": "712020:alice-0000", "displayName": "Alice", "active": True}
COMMENT = {"id": "10000", "author": AUTHOR, "body": ADF, "created": "2026-11-22T10:00:00.000+0000"}
USER = {
    "id": "00ualice0000000000001",
    "status": "ACTIVE",
    "created": "2026-11-22T10:00:00.000Z",
    "lastLogin": None,
    "profile": {"login": "alice@example.com", "email": "alice@example.com", "firstName": "Alice", "lastName": "A"},
    "_links": {"self": {"href": "http://127.0.0.1/api/v1/users/00ualice0000000000001"}},
}
OKTA_ERROR = {
    "errorCode": "E0000007",
    "errorSummary": "Not found",
    "errorLink": "E0000007",
    "errorId": "oae1",
    "errorCauses": [],
}
JIRA_ERROR = {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}

TOKEN_FORM = (
    b"grant_type=client_credentials&scope=okta.groups.manage"
    b"&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=secret.jwt"
)
TOKEN = {"token_type": "Bearer", "expires_in": 3600, "access_token": "secret.token", "scope": "okta.groups.manage"}

SOUND: dict[str, dict[str, Any]] = {
    "okta adds a member": {"call": f"okta PUT {MEMBER}", "status": 204},
    "okta removes a member": {"call": f"okta DELETE {MEMBER}", "status": 204},
    "okta lists members": {
        "call": "okta GET /api/v1/groups/00gawsprodadmin000001/users",
        "query": "limit=200&after=abc",
        "answer": [USER],
    },
    "okta lists rules, which are no group": {
        "call": "okta GET /api/v1/groups/rules",
        "query": "limit=50",
        "answer": [],
    },
    "okta finds a user by login": {"call": "okta GET /api/v1/users/alice%40example.com", "answer": USER},
    "okta ends sessions": {
        "call": "okta DELETE /api/v1/users/00ualice0000000000001/sessions",
        "query": "oauthTokens=true&forgetDevices=false",
        "status": 204,
    },
    "okta issues a token": {"call": "okta POST /oauth2/v1/token", "form": TOKEN_FORM, "answer": TOKEN},
    "okta knows no such user": {"call": f"okta PUT {MEMBER}", "status": 404, "answer": OKTA_ERROR},
    "okta is out of order": {"call": f"okta PUT {MEMBER}", "status": 503, "answer": OKTA_ERROR},
    "jira shows an issue": {
        "call": "jira GET /rest/api/3/issue/SEC-1",
        "query": "fields=summary,status&fields=labels&expand=names",
        "answer": {"id": "10001", "key": "SEC-1", "fields": {"summary": "x"}},
    },
    "jira creates an issue": {
        "call": "jira POST /rest/api/3/issue",
        "body": {"fields": {"project": {"key": "SEC"}, "summary": "x", "issuetype": {"name": "Access request"}}},
        "status": 201,
        "answer": {"id": "10002", "key": "SEC-2", "self": "http://127.0.0.1/rest/api/3/issue/10002"},
    },
    "jira takes a comment": {
        "call": f"jira POST {COMMENTS}",
        "body": {"body": ADF},
        "status": 201,
        "answer": COMMENT,
    },
    "jira lists comments": {
        "call": f"jira GET {COMMENTS}",
        "query": "orderBy=-created&startAt=0&maxResults=100",
        "answer": {"comments": [COMMENT], "startAt": 0, "maxResults": 100, "total": 1},
    },
    "jira makes a transition": {
        "call": "jira POST /rest/api/3/issue/SEC-1/transitions",
        "body": {"transition": {"id": "31"}},
        "status": 204,
    },
    "jira keeps a property": {"call": f"jira PUT {PROPERTY}", "body": {"seq": 1}, "status": 201},
    "jira lists changes of empty fields": {
        "call": "jira GET /rest/api/3/issue/SEC-1/changelog",
        "query": "startAt=0&maxResults=100",
        "answer": {
            "values": [
                {
                    "id": "1",
                    "created": "2026-11-22T10:00:00.000+0000",
                    "items": [{"field": "assignee", "from": None, "fromString": None, "to": "a", "toString": "A"}],
                }
            ],
            "startAt": 0,
            "maxResults": 100,
            "total": 1,
            "isLast": True,
        },
    },
    "jira knows no such issue": {"call": "jira GET /rest/api/3/issue/SEC-9", "status": 404, "answer": JIRA_ERROR},
    "jira wants credentials": {"call": "jira GET /rest/api/3/issue/SEC-9", "status": 401},
    "jira is tired": {"call": "jira GET /rest/api/3/issue/SEC-9", "status": 429, "answer": JIRA_ERROR},
    "a service desk lists approvals": {
        "call": "jira GET /rest/servicedeskapi/request/SEC-1/approval",
        "query": "start=0&limit=50",
        "answer": {"size": 0, "start": 0, "limit": 50, "isLastPage": True, "values": []},
    },
}

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "unknown query name": (
        {"call": "okta GET /api/v1/groups/00g1/users", "query": "limt=2", "answer": []},
        "request: query: the operation lists no parameter 'limt'",
    ),
    "integer that is none": (
        {"call": "okta GET /api/v1/groups/00g1/users", "query": "limit=many", "answer": []},
        "request: query parameter limit: must be integer, is string",
    ),
    "boolean that is none": (
        {"call": "okta DELETE /api/v1/users/00u1/sessions", "query": "oauthTokens=yes", "status": 204},
        "request: query parameter oauthTokens: must be boolean, is string",
    ),
    "parameter given twice": (
        {"call": "okta GET /api/v1/groups/00g1/users", "query": "limit=1&limit=2", "answer": []},
        "request: query parameter limit: must be integer, is array",
    ),
    "wrong enum": (
        {"call": "okta GET /api/v1/logs", "query": "sortOrder=UP", "answer": []},
        "request: query parameter sortOrder: must be one of ASCENDING, DESCENDING",
    ),
    "missing query parameter": (
        {"call": "jira GET /rest/api/3/user/bulk", "query": "startAt=0", "status": 400, "answer": JIRA_ERROR},
        "request: query parameter accountId: is required and missing",
    ),
    "wrong path": (
        {"call": "okta PUT /api/v1/group/00g1/users/00u1", "status": 204},
        "request: the official description knows no such operation",
    ),
    "wrong method": (
        {"call": f"okta POST {MEMBER}", "status": 204},
        "request: the official description knows no such operation",
    ),
    "empty path segment": (
        {"call": "okta PUT /api/v1/groups//users/00u1", "status": 204},
        "request: the official description knows no such operation",
    ),
    "body where none is taken": (
        {"call": f"okta PUT {MEMBER}", "body": {}, "status": 204},
        "request: body: the operation takes none",
    ),
    "missing body": (
        {"call": f"jira POST {COMMENTS}", "status": 201, "answer": COMMENT},
        "request: body: is required and missing",
    ),
    "wrong media type": (
        {"call": f"jira POST {COMMENTS}", "form": b"body=x", "status": 400},
        "request: content-type: application/x-www-form-urlencoded is not described; described are application/json",
    ),
    "string comment": (
        {"call": f"jira POST {COMMENTS}", "body": {"body": "granted"}, "status": 201, "answer": COMMENT},
        "request: body.body: must be an Atlassian document: type doc, version 1 and a content list",
    ),
    "string comment in a transition": (
        {
            "call": "jira POST /rest/api/3/issue/SEC-1/transitions",
            "body": {"transition": {"id": "31"}, "update": {"comment": [{"add": {"body": "granted"}}]}},
            "status": 204,
        },
        "request: body.update.comment[0].add.body: must be an Atlassian document",
    ),
    "read-only field": (
        {"call": f"jira POST {COMMENTS}", "body": {"body": ADF, "id": "7"}, "status": 201, "answer": COMMENT},
        "request: body.id: is read-only: a request may not carry it",
    ),
    "wrong type deep in a body": (
        {"call": "jira POST /rest/api/3/issue/SEC-1/transitions", "body": {"transition": {"id": 31}}, "status": 204},
        "request: body.transition.id: must be string, is integer",
    ),
    "property over its limit": (
        {"call": f"jira PUT {PROPERTY}", "body": "x" * 32_768, "status": 201},
        "request: body: must be at most 32768 bytes, is 32770",
    ),
    "token without its grant type": (
        {"call": "okta POST /oauth2/v1/token", "form": b"grant_type=client_secret", "answer": TOKEN},
        "request: body.grant_type: must be one of",
    ),
    "204 with a content type": (
        {"call": f"okta DELETE {MEMBER}", "status": 204, "answer_headers": JSON},
        "answer 204: content-type: must be absent",
    ),
    "204 with a body": (
        {"call": "jira DELETE /rest/api/3/issue/SEC-1", "status": 204, "answer": {}},
        "answer 204: body: must be empty (RFC 9110, 204 No Content)",
    ),
    "status that is not described": (
        {"call": f"okta PUT {MEMBER}", "status": 200, "answer": {}},
        "answer 200: status: is not described; described are 204, 403, 404, 429",
    ),
    "answer of the wrong shape": (
        {"call": "okta GET /api/v1/groups/00g1/users", "answer": {"users": []}},
        "answer 200: body: must be array, is object",
    ),
    "answer with a wrong enum": (
        {"call": "okta GET /api/v1/users/00u1", "answer": USER | {"status": "HAPPY"}},
        "answer 200: body.status: must be one of ACTIVE,",
    ),
    "answer with an extra key in a closed object": (
        {"call": "jira GET /rest/api/3/issue/SEC-9", "status": 404, "answer": JIRA_ERROR | {"trace": "x"}},
        "answer 404: body: Additional properties are not allowed ('trace' was unexpected)",
    ),
    "instant in prose": (
        {"call": f"jira POST {COMMENTS}", "body": {"body": ADF}, "status": 201, "answer": COMMENT | {"created": "now"}},
        "answer 201: body.created: must have the format date-time",
    ),
    "string comment in an answer": (
        {"call": f"jira GET {COMMENTS}", "answer": {"comments": [COMMENT | {"body": "granted"}]}},
        "answer 200: body.comments[0].body: must be an Atlassian document",
    ),
    "empty answer where a body is described": (
        {"call": "jira GET /rest/api/3/issue/SEC-1"},
        "answer 200: content-type: none is not described; described are application/json",
    ),
    "truncated answer": (
        {"call": "jira GET /rest/api/3/issue/SEC-1", "answer_headers": JSON},
        "answer 200: body: is not readable as application/json",
    ),
}
