"""What Okta shows of a user, a group and a group rule."""

from starlette.requests import Request

from sandbox.store import Document


def user_shape(user: Document, request: Request) -> Document:
    return {
        "id": user["id"],
        "status": user["status"],
        "created": user["created"],
        "activated": user["created"],
        "statusChanged": user["statusChanged"],
        "lastLogin": user["lastLogin"],
        "lastUpdated": user["lastUpdated"],
        "passwordChanged": None,
        "type": {"id": "oty0000000000000001"},
        "profile": {**user["profile"], "mobilePhone": None, "secondEmail": None},
        "credentials": {"provider": {"type": "OKTA", "name": "OKTA"}},
        "_links": {"self": {"href": _href(request, f"users/{user['id']}")}},
    }


def group_shape(group: Document, request: Request) -> Document:
    users = {"href": _href(request, f"groups/{group['id']}/users")}
    apps = {"href": _href(request, f"groups/{group['id']}/apps")}
    return {
        "id": group["id"],
        "created": group["created"],
        "lastUpdated": group["lastUpdated"],
        "lastMembershipUpdated": group["lastMembershipUpdated"],
        "objectClass": ["okta:windows_security_principal" if group["type"] == "APP_GROUP" else "okta:user_group"],
        "type": group["type"],
        "profile": group["profile"],
        "_links": {"users": users, "apps": apps},
    }


def rule_shape(rule: Document) -> Document:
    return {
        "type": "group_rule",
        "id": rule["id"],
        "status": "ACTIVE",
        "name": rule["name"],
        "created": rule["created"],
        "lastUpdated": rule["created"],
        "conditions": {
            "people": {"users": {"exclude": []}, "groups": {"exclude": []}},
            "expression": {"value": 'user.department=="Engineering"', "type": "urn:okta:expression:1.0"},
        },
        "actions": {"assignUserToGroups": {"groupIds": rule["group_ids"]}},
    }


def _href(request: Request, path: str) -> str:
    return str(request.url.replace(path=f"{request.scope['root_path']}/api/v1/{path}", query=""))
