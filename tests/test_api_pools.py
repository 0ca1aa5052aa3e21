"""/email/1/ip-management: ways out, pools and domains' pools."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import time_machine
from infobip_api_client.exceptions import NotFoundException
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Transport, TransportPool
from campaigns.numbers import number_of
from campaigns.outbox.transports import seal_config
from tests.api_resources import PatientProgram, faults, official_client, refusal_of, sdk
from tests.factories import make_transport

pytestmark = pytest.mark.django_db
PATH = "/email/1/ip-management"
NOBODYS = "0" * 32


@pytest.fixture
def program(clock: time_machine.Traveller) -> PatientProgram:
    return PatientProgram(clock)


def make_pool(program: PatientProgram, name: str = "Fast") -> str:
    response = program.post(f"{PATH}/pools", {"name": name})
    assert response.status_code == 201, response.content
    return str(response.json()["id"])


def pools_of_domain(program: PatientProgram) -> str:
    return f"{PATH}/domains/{number_of(program.domain.public_id)}"


def missing(response: Any) -> dict[str, str]:
    assert response.status_code == 404, response.content
    assert response.json()["errorCode"] == "E404"
    return {entry["property"]: entry["violation"] for entry in response.json()["violations"]}


def test_ways_out_stand_where_addresses_do(program: PatientProgram) -> None:
    relay = make_transport(program.account, name="Relay", kind="smtp")
    relay.config_sealed = seal_config(relay, config={"host": "mail.example.org", "password": "hunter2"})
    relay.save()
    response = program.get(f"{PATH}/ips")
    sandbox, shown = response.json()
    assert shown == {
        "id": relay.public_id.hex,
        "ip": "mail.example.org",
        "ipAddresses": ["mail.example.org"],
        "name": "Relay",
        "pools": [],
    }
    assert sandbox["ip"].startswith("192.0.2.")
    assert "hunter2" not in response.content.decode()


def test_a_way_out_shows_its_pools(program: PatientProgram) -> None:
    way = make_transport(program.account)
    pool = make_pool(program)
    assert program.post(f"{PATH}/pools/{pool}/ips", {"ipId": way.public_id.hex}).status_code == 204
    assert program.get(f"{PATH}/ips/{way.public_id}").json()["pools"] == [{"id": pool, "name": "Fast"}]
    (member,) = program.get(f"{PATH}/pools/{pool}").json()["ips"]
    assert member["id"] == way.public_id.hex
    assert program.delete(f"{PATH}/pools/{pool}/ips/{way.public_id.hex}").status_code == 204
    assert program.get(f"{PATH}/pools/{pool}").json()["ips"] == []


def test_pools_are_made_renamed_listed_and_deleted(program: PatientProgram) -> None:
    fast, slow = make_pool(program), make_pool(program, "Slow")
    assert program.put(f"{PATH}/pools/{fast}", {"name": "Quick"}).json() == {"id": fast, "name": "Quick"}
    assert [pool["name"] for pool in program.get(f"{PATH}/pools").json()] == ["Quick", "Slow"]
    assert [pool["id"] for pool in program.get(f"{PATH}/pools", name="slow").json()] == [slow]
    assert program.delete(f"{PATH}/pools/{fast}").status_code == 204
    assert [pool["id"] for pool in program.get(f"{PATH}/pools").json()] == [slow]


@pytest.mark.parametrize("name", ["", " ", "x" * 101, None, "two\nlines", "a\0b"])
def test_a_pool_needs_a_name(program: PatientProgram, name: Any) -> None:
    assert faults(program.post(f"{PATH}/pools", {"name": name})).keys() == {"name"}


def test_names_of_pools_are_taken_once(program: PatientProgram) -> None:
    make_pool(program)
    other = make_pool(program, "Other")
    assert faults(program.post(f"{PATH}/pools", {"name": "Fast"})) == {"name": "is the name of another pool"}
    assert faults(program.put(f"{PATH}/pools/{other}", {"name": "Fast"})).keys() == {"name"}
    make_pool(PatientProgram(program.clock))


def test_lists_come_in_pages(program: PatientProgram) -> None:
    TransportPool.objects.bulk_create(TransportPool(account=program.account, name=f"P{n:02}") for n in range(21))
    answer = program.get(f"{PATH}/paginated/pools", page=1).json()
    assert answer["paging"] == {"page": 1, "size": 20, "totalPages": 2, "totalResults": 21}
    assert [pool["name"] for pool in answer["results"]] == ["P20"]
    answer = program.get(f"{PATH}/paginated/ips", size=100).json()
    assert (len(answer["results"]), answer["paging"]["totalResults"]) == (1, 1)
    for kind in ("ips", "pools"):
        assert faults(program.get(f"{PATH}/paginated/{kind}", size=19)).keys() == {"size"}


def test_a_domains_pools_have_an_order(program: PatientProgram) -> None:
    way = make_transport(program.account)
    fast, slow = make_pool(program), make_pool(program, "Slow")
    program.post(f"{PATH}/pools/{slow}/ips", {"ipId": way.public_id.hex})
    path = pools_of_domain(program)
    for pool, priority in ((fast, 7), (slow, 49)):
        assert program.post(f"{path}/pools", {"poolId": pool, "priority": priority}).status_code == 204
    answer = program.get(path).json()
    assert (answer["id"], answer["name"]) == (number_of(program.domain.public_id), program.domain.name)
    assert [(pool["id"], pool["priority"]) for pool in answer["pools"]] == [(fast, 7), (slow, 49)]
    assert program.put(f"{path}/pools/{slow}", {"priority": 0}).status_code == 204
    first, _ = program.get(path).json()["pools"]
    assert (first["name"], first["priority"], len(first["ips"])) == ("Slow", 0, 1)
    assert program.delete(f"{path}/pools/{slow}").status_code == 204
    assert [pool["id"] for pool in program.get(path).json()["pools"]] == [fast]


@pytest.mark.parametrize("priority", [-1, 50, "high", None, 1.5])
def test_a_priority_has_its_bounds(program: PatientProgram, priority: Any) -> None:
    path, pool = pools_of_domain(program), make_pool(program)
    assert faults(program.post(f"{path}/pools", {"poolId": pool, "priority": priority})).keys() == {"priority"}
    program.post(f"{path}/pools", {"poolId": pool, "priority": 0})
    assert faults(program.put(f"{path}/pools/{pool}", {"priority": priority})).keys() == {"priority"}


def test_a_released_way_is_gone_until_it_is_taken_in(program: PatientProgram) -> None:
    way = make_transport(program.account)
    path = f"{PATH}/ips/{way.public_id.hex}"
    assert program.delete(path).status_code == 204
    assert missing(program.get(path)) == {"ipId": "Dedicated IP not found"}
    assert len(program.get(f"{PATH}/ips").json()) == 1
    assert program.post(f"{PATH}/ips/commission", None).json()["id"] == way.public_id.hex
    assert program.get(path).status_code == 200
    assert faults(program.post(f"{PATH}/ips/commission", {"anything": 1})).keys() == {"requestBody"}


def test_the_default_way_is_not_released(program: PatientProgram) -> None:
    default = Transport.objects.get(account=program.account)
    assert faults(program.delete(f"{PATH}/ips/{default.public_id.hex}")).keys() == {"ipId"}


def test_an_id_of_a_stranger_and_one_nobody_has_are_answered_alike(program: PatientProgram) -> None:
    stranger = PatientProgram(program.clock)
    way, pool = make_transport(program.account), make_pool(program)
    own_way, own_pool = make_transport(stranger.account).public_id.hex, make_pool(stranger)
    domain, own_domain = number_of(program.domain.public_id), number_of(stranger.domain.public_id)
    theirs = {"way": way.public_id.hex, "pool": pool, "domain": domain}
    nobodys = {"way": uuid4().hex, "pool": uuid4().hex, "domain": 12345}
    own = {"way": own_way, "pool": own_pool, "domain": own_domain}
    no_id = {"way": "none", "pool": "none", "domain": 2**63}

    def answers(**ids: Any) -> list[tuple[int, bytes]]:
        way, pool, domain = ids["way"], ids["pool"], ids["domain"]
        asked: list[tuple[str, str, Any]] = [
            ("GET", f"/ips/{way}", None),
            ("DELETE", f"/ips/{way}", None),
            ("GET", f"/pools/{pool}", None),
            ("PUT", f"/pools/{pool}", {"name": "Mine"}),
            ("DELETE", f"/pools/{pool}", None),
            ("POST", f"/pools/{pool}/ips", {"ipId": own_way}),
            ("POST", f"/pools/{own_pool}/ips", {"ipId": way}),
            ("DELETE", f"/pools/{pool}/ips/{own_way}", None),
            ("GET", f"/domains/{domain}", None),
            ("POST", f"/domains/{domain}/pools", {"poolId": own_pool, "priority": 1}),
            ("POST", f"/domains/{own_domain}/pools", {"poolId": pool, "priority": 1}),
            ("PUT", f"/domains/{own_domain}/pools/{pool}", {"priority": 1}),
            ("DELETE", f"/domains/{own_domain}/pools/{pool}", None),
            ("DELETE", f"/domains/{domain}/pools/{own_pool}", None),
        ]
        found = [stranger.ask(method, f"{PATH}{path}", body) for method, path, body in asked]
        return [(response.status_code, response.content) for response in found]

    refused = answers(**theirs)
    assert {status for status, _ in refused} == {404}
    assert refused == answers(**nobodys) == answers(**no_id)
    assert {status for status, _ in answers(**own)} > {200, 204}
    assert program.get(f"{PATH}/pools/{pool}").json()["name"] == "Fast"


def test_a_missing_thing_is_named_as_infobip_names_it(program: PatientProgram) -> None:
    pool, path = make_pool(program), pools_of_domain(program)
    way = Transport.objects.get(account=program.account).public_id.hex
    assert missing(program.get(f"{PATH}/pools/{NOBODYS}")) == {"ipPoolId": "IP pool not found"}
    assert missing(program.get(f"{PATH}/ips/{NOBODYS}")) == {"ipId": "Dedicated IP not found"}
    assert missing(program.get(f"{PATH}/domains/7")) == {"domainId": "Domain not found"}
    assert missing(program.delete(f"{PATH}/pools/{pool}/ips/{way}")) == {"ipId": "Dedicated IP not found"}
    assert missing(program.delete(f"{path}/pools/{pool}")) == {"ipPoolId": "IP pool not found"}
    assert missing(program.put(f"{path}/pools/{pool}", {"priority": 1})) == {"ipPoolId": "IP pool not found"}


@pytest.mark.django_db(transaction=True)
def test_the_official_sdk_manages_pools(live_server: LiveServer, clock: time_machine.Traveller) -> None:
    program = PatientProgram(clock)
    domain = number_of(program.domain.public_id)
    with official_client(live_server.url, program) as api:
        (ip,) = api.get_all_ips()
        pool = api.create_ip_pool(email_ip_pool_create_api_request=sdk.EmailIpPoolCreateApiRequest(name="Fast"))
        assert (
            [found.id for found in api.get_ip_pools()]
            == [found.id for found in api.get_ip_pools(name="Fast")]
            == [pool.id]
        )
        renamed = sdk.EmailIpPoolCreateApiRequest(name="Quick")
        assert api.update_ip_pool(pool_id=pool.id, email_ip_pool_create_api_request=renamed).name == "Quick"
        assigned = sdk.EmailIpPoolAssignIpApiRequest(ip_id=ip.id)
        api.assign_ip_to_pool(pool_id=pool.id, email_ip_pool_assign_ip_api_request=assigned)
        assert [found.id for found in api.get_ip_pool(pool_id=pool.id).ips] == [ip.id]
        assert [found.name for found in api.get_ip_details(ip_id=ip.id).pools] == ["Quick"]
        wanted = sdk.EmailDomainIpPoolAssignApiRequest(pool_id=pool.id, priority=3)
        api.assign_pool_to_domain(domain_id=domain, email_domain_ip_pool_assign_api_request=wanted)
        api.update_domain_pool_priority(
            domain_id=domain,
            pool_id=pool.id,
            email_domain_ip_pool_update_api_request=sdk.EmailDomainIpPoolUpdateApiRequest(priority=49),
        )
        (found,) = api.get_ip_domain(domain_id=domain).pools
        assert (found.id, found.priority, [inside.id for inside in found.ips]) == (pool.id, 49, [ip.id])
        api.remove_ip_pool_from_domain(domain_id=domain, pool_id=pool.id)
        api.remove_ip_from_pool(pool_id=pool.id, ip_id=ip.id)
        api.delete_ip_pool(pool_id=pool.id)
        with pytest.raises(NotFoundException) as missing:
            api.get_ip_pool(pool_id=pool.id)
        assert refusal_of(missing).violations[0].violation == "IP pool not found"
