"""Tests of what follows from what was seen: servers and addresses."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cube_acceptance import catalogue as catalogues
from cube_acceptance import network
from cube_acceptance.evidence import (
    CannotMeasure,
    DhcpMessage,
    DhcpObserved,
    DnsObserved,
    Trouble,
    Try,
    Vantage,
)
from cube_acceptance.expected import Owed
from cube_acceptance.network import HandedOut, Servers
from cube_acceptance.setup import Setup
from cube_acceptance.site import Cloud, Cube, Dns, LoadedSite, Ntp, Site, VantageWish
from selftests.support import cases, healthy
from selftests.support.builders import SECOND, Known, cannot, dhcp, lease
from selftests.support.healthy import CUBE, HOSTS, OFFER, SERVER, SITE, STARTED, VANTAGE

THIRD = "10.20.0.3"
TAPIO = "disco.tapio.one"
HOMAG = "connect.homag.cloud"
LONGEST = ".".join(["a" * 63] * 3 + ["a" * 61])
"""A name of 253 characters, and none of its labels is too long."""
STRAY = {"address": "192.168.178.20", "routers": ("192.168.178.1",), "server_id": "192.168.178.1"}


def offer(**changes: object) -> DhcpMessage:
    """A complete offer with some values changed."""
    return msgspec.structs.replace(OFFER, **changes)


def answer(
    server: str, *addresses: str, rcode: str | None = "NOERROR", tcp: str = "not-needed"
) -> DnsObserved:
    """What a DNS server said about tapio's host."""
    return DnsObserved(
        started=STARTED,
        duration_s=0.01,
        server=server,
        name=TAPIO,
        rcode=rcode,
        addresses=addresses,
        tcp=tcp,  # type: ignore[arg-type]
    )


def silence(socket: str) -> DhcpObserved:
    """A DISCOVER that nobody answered, and the socket that it was sent from."""
    sent = Try(at_s=0.0, to="255.255.255.255:67", result="silence", detail=f"sent from a {socket}")
    return msgspec.structs.replace(dhcp(), tries=(sent,))


def setup(site: Site = SITE, *, simulated: bool = False) -> Setup:
    """A session's setup at a site."""
    return Setup(loaded=LoadedSite(site=site), vantage=VANTAGE, simulated=simulated)


class TestMissing:
    """What an offer lacks."""

    @pytest.mark.parametrize(
        ("changes", "lacking"),
        [
            ({}, ()),
            ({"address": "0.0.0.0"}, ("address",)),
            ({"subnet_mask": None}, ("subnet-mask",)),
            ({"routers": ()}, ("router",)),
            ({"routers": ("0.0.0.0",)}, ("router",)),
            ({"routers": ("0.0.0.0", SERVER)}, ()),
            ({"address": "10.20.0.255"}, ("address",)),
            ({"address": "127.0.0.5"}, ("address",)),
            ({"address": "127.0.0.5", "source": ""}, ("address",)),
            ({"address": "127.0.0.5", "source": "127.0.0.1"}, ()),
            ({"address": "10.20.0.0"}, ("address",)),
            ({"address": "10.20.0.255", "subnet_mask": "255.255.254.0"}, ()),
            ({"routers": ("10.20.0.255",)}, ("router",)),
            ({"routers": (), "routes": (("0.0.0.0/0", SERVER),)}, ()),
            ({"routers": (), "routes": (("10.0.0.0/8", SERVER),)}, ("router",)),
            ({"routers": (), "routes": (("0.0.0.0/1", SERVER), ("128.0.0.0/1", SERVER))}, ()),
            ({"routers": (), "routes": (("128.0.0.0/1", SERVER),)}, ("router",)),
            ({"routers": (), "routes": (("0.0.0.0/0", "0.0.0.0"),)}, ("router",)),
            ({"server_id": None}, ("server-identifier",)),
            ({"server_id": "0.0.0.0"}, ("server-identifier",)),
            (
                {"address": "255.255.255.255", "subnet_mask": "", "routers": (), "server_id": ""},
                ("address", "subnet-mask", "router", "server-identifier"),
            ),
        ],
    )
    def test_is_named(self, changes: dict[str, object], lacking: tuple[str, ...]) -> None:
        """Each missing value makes an offer useless, and the sentence names it."""
        assert network.missing(offer(**changes)) == lacking
        assert network.complete(offer(**changes)) == (not lacking)

    def test_has_words(self) -> None:
        """What is missing is said in the reader's language."""
        lacking = network.missing(
            offer(address="0.0.0.0", subnet_mask="", routers=(), server_id="")
        )

        assert set(lacking) <= catalogues.load().common.words.keys()


class TestLeadingOffer:
    """Of several offers the one that everything follows."""

    def test_is_the_first_complete_one(self) -> None:
        """A client takes what it can use, not what comes first."""
        poor, good, late = offer(routers=()), offer(dns=(SECOND,)), offer(dns=(THIRD,))

        assert network.leading_offer(setup(), dhcp(poor, good, late)) is good

    def test_is_the_first_where_none_is_complete(self) -> None:
        """What is wrong is said of the offer that came first."""
        poor, poorer = offer(routers=()), offer(routers=(), subnet_mask=None)

        assert network.leading_offer(setup(), dhcp(poor, poorer)) is poor

    def test_of_none_is_none(self) -> None:
        """Silence has no offer."""
        assert network.leading_offer(setup(), dhcp()) is None

    def test_is_one_of_this_network_whoever_was_first(self) -> None:
        """A stray router is quicker than the plant's server."""
        stray, poor = offer(**STRAY), offer(routers=())

        assert network.leading_offer(setup(), dhcp(stray, OFFER)) is OFFER
        assert network.leading_offer(setup(), dhcp(stray, poor)) is poor
        assert network.leading_offer(setup(), dhcp(stray)) is stray

    def test_is_none_of_nothing(self) -> None:
        """A boot server's OFFER of 0.0.0.0 is no offer."""
        nothing = offer(address="0.0.0.0", server_id=SECOND)

        assert network.leading_offer(setup(), dhcp(nothing, OFFER)) is OFFER
        assert network.leading_offer(setup(), dhcp(nothing)) is None

    def test_is_a_cubes_own_whoever_was_first(self) -> None:
        """And of the server that made it nothing else counts."""
        own = offer(hardware="02:00:00:00:00:50", dns=(SECOND,))
        poor = offer(hardware="02:00:00:00:00:50", routers=())
        other = offer(server_id=SECOND, source=SECOND)

        assert network.leading_offer(setup(), dhcp(OFFER, own)) is own
        assert network.leading_offer(setup(), dhcp(OFFER, poor)) is poor
        assert network.leading_offer(setup(), dhcp(OFFER, poor, other)) is other
        assert network.leading_offer(setup(), dhcp(other, own)) is own


class TestWaysOut:
    """The routers that an offer names."""

    @pytest.mark.parametrize(
        ("routes", "routers"),
        [
            ((), (SERVER,)),
            ((("0.0.0.0/0", SECOND), ("10.0.0.0/8", THIRD)), (SECOND,)),
            ((("0.0.0.0/1", SECOND), ("128.0.0.0/1", THIRD)), (SECOND, THIRD)),
            ((("0.0.0.0/1", SECOND), ("128.0.0.0/1", SECOND)), (SECOND,)),
            ((("0.0.0.0/1", SECOND), ("128.0.0.0/2", THIRD)), (SERVER,)),
        ],
    )
    def test_of_routes(self, routes: tuple[tuple[str, str], ...], routers: tuple[str, ...]) -> None:
        """A default route stands before its parts, and these count where they are everything."""
        assert network.ways_out(offer(routes=routes)) == routers


class TestServerOf:
    """Whose an offer is."""

    def test_by_its_identifier_else_by_its_source(self) -> None:
        """Behind a relay the identifier is the server's, and the source is not."""
        assert network.server_of(offer(server_id=SECOND)) == SECOND
        assert network.server_of(offer(server_id=None)) == SERVER


class TestRivals:
    """Offers that a CUBE may take as well, and whose servers are asked for that."""

    @pytest.mark.parametrize(
        ("others", "rivalling"),
        [
            ((), 0),
            (({"server_id": SECOND},), 0),
            (({"server_id": SECOND, "dns": (SECOND,)},), 1),
            (({"server_id": SECOND, "dns": (SECOND, SERVER)}, {"dns": (SERVER, SECOND)}), 2),
            (({"server_id": SECOND, "ntp": ()},), 1),
            (({"server_id": SECOND, "dns": (SECOND,), "routers": ()},), 0),
            ((STRAY | {"dns": (SECOND,)},), 0),
            (tuple({"dns": (f"10.20.0.{n}",)} for n in range(9, 19)), 3),
        ],
        ids=["none", "same", "names", "order", "time", "incomplete", "stranger", "flood"],
    )
    def test_who(self, others: tuple[dict[str, object], ...], rivalling: int) -> None:
        """Only who names other servers, and whose offer is as good as the leading one."""
        offers = (OFFER, *(offer(**one) for one in others))

        assert network.rivals(setup(), dhcp(*offers)) == offers[1 : 1 + rivalling]


class TestFits:
    """Whether a CUBE here can live by an offer."""

    AWAY = Vantage(interface="eth0", address="10.99.0.9", prefix=24)

    @pytest.mark.parametrize(
        ("changes", "fitting"),
        [
            ({}, True),
            ({"address": "10.20.0.5", "subnet_mask": "255.255.255.240"}, False),
            ({"address": "10.20.0.5", "subnet_mask": "255.255.255.224"}, True),
            ({"address": "10.20.1.5"}, False),
            ({"address": "10.20.1.5", "subnet_mask": "255.255.0.0"}, True),
            ({"address": "192.168.178.20"}, False),
            ({"address": "192.168.178.20", "subnet_mask": None}, True),
            ({"address": "224.0.0.5"}, True),
            ({"address": "127.0.0.5"}, True),
            ({"address": "192.168.178.20", "subnet_mask": "255.255.255.255"}, True),
        ],
    )
    def test_by_the_network_that_it_describes(
        self, changes: dict[str, object], *, fitting: bool
    ) -> None:
        """It has to hold a CUBE or this computer; without a network nothing speaks against it."""
        assert network.fits(setup(), offer(**changes)) is fitting

    def test_by_the_cubes_alone(self) -> None:
        """This computer may have an address of another network, or none that is known."""
        elsewhere = msgspec.structs.replace(setup(), vantage=self.AWAY)
        nowhere = msgspec.structs.replace(setup(), vantage=cannot())

        assert network.fits(elsewhere, OFFER)
        assert network.fits(elsewhere, offer(address="10.99.0.7"))
        assert network.fits(nowhere, OFFER)
        assert not network.fits(nowhere, offer(**STRAY))

    def test_by_the_network_of_the_site_file(self) -> None:
        """Before there is a CUBE it says where one will be."""
        site = Site(vantage=VantageWish(network="192.168.178.0/24"))

        assert network.fits(setup(site), offer(**STRAY))
        assert not network.fits(setup(site), offer(address="10.99.0.7"))


class TestWillDo:
    """Whether a better offer needs to be waited for."""

    @pytest.mark.parametrize(
        ("changes", "enough"),
        [({}, True), ({"routers": ()}, False), ({"address": "192.168.178.20"}, False)],
    )
    def test_complete_and_fitting(self, changes: dict[str, object], *, enough: bool) -> None:
        """Half an offer will not do, nor will another network's."""
        assert network.will_do(setup(), offer(**changes)) is enough


class TestHandedOut:
    """What the network told a newcomer."""

    def test_by_an_offer(self) -> None:
        """The offer counts; this computer's own lease is not even looked at."""
        evidence = Known({"dhcp": dhcp(offer(dns=(SERVER, SECOND), ntp=(THIRD,)))})

        given = network.handed_out(setup(), evidence)

        assert given == HandedOut(origin="dhcp", dns=(SERVER, SECOND), ntp=(THIRD,))
        assert evidence.asked == ["dhcp"]

    def test_cleans_the_lists(self) -> None:
        """Doubles and addresses of nobody are not asked."""
        evidence = Known({"dhcp": dhcp(offer(dns=(SERVER, "0.0.0.0", SERVER), ntp=("224.0.1.1",)))})

        assert network.handed_out(setup(), evidence) == HandedOut(
            origin="dhcp", dns=(SERVER,), ntp=()
        )

    def test_leaves_out_nobody_of_the_network_told_of(self) -> None:
        """What is somebody's address in one network is everybody's in another."""
        told = {"dns": ("10.20.0.255", SERVER, "10.20.0.127"), "ntp": ("10.20.0.0", "10.20.0.128")}
        small = dhcp(offer(subnet_mask="255.255.255.128", **told))

        assert network.handed_out(setup(), Known({"dhcp": dhcp(offer(**told))})) == HandedOut(
            origin="dhcp", dns=(SERVER, "10.20.0.127"), ntp=("10.20.0.128",)
        )
        assert network.handed_out(setup(), Known({"dhcp": small})) == HandedOut(
            origin="dhcp", dns=("10.20.0.255", SERVER), ntp=("10.20.0.128",)
        )

    def test_leaves_out_nobody_of_the_leases_network(self) -> None:
        """A lease tells of a network as well, where its client wrote the mask down."""
        told = {"ntp": ("10.20.0.255",), "subnet_mask": "255.255.255.0"}
        evidence = Known({"dhcp": cannot(), "lease": lease(**told)})

        assert network.handed_out(setup(), evidence).ntp == ()

    def test_silence_hands_out_nothing(self) -> None:
        """DHCP was asked and nobody answered: that is no obstacle, and no lease replaces it."""
        evidence = Known({"dhcp": dhcp(), "lease": lease()})

        assert network.handed_out(setup(), evidence) == HandedOut(origin="nobody")

    def test_by_the_own_lease(self) -> None:
        """Without the right to use port 68 the own lease tells the same."""
        evidence = Known({"dhcp": cannot(), "lease": lease(ntp=(SECOND, "0.0.0.0"))})

        assert network.handed_out(setup(), evidence) == HandedOut(
            origin="lease", dns=(SERVER,), ntp=(SECOND,), obstacle=cannot()
        )

    def test_a_lease_that_lacks_a_list_leaves_a_doubt(self) -> None:
        """A client does not ask for time servers, so a lease without them proves nothing."""
        evidence = Known({"dhcp": cannot(), "lease": lease(ntp=())})

        servers = network.time_servers(SITE, network.handed_out(setup(), evidence))

        assert servers == Servers(addresses=(), origin="nobody", obstacle=cannot())

    def test_a_lease_proves_what_its_client_asked_for(self) -> None:
        """Who asked for time servers and got none has met a network without them."""
        evidence = Known({"dhcp": cannot(), "lease": lease(ntp=(), dns=(), asked=(42,))})

        given = network.handed_out(setup(), evidence)

        assert network.time_servers(SITE, given) == Servers(addresses=(), origin="nobody")
        assert network.name_servers(SITE, given).obstacle == cannot()

    def test_a_lease_proves_what_its_client_asked_for_in_names(self) -> None:
        """Each of the two lists by itself."""
        evidence = Known({"dhcp": cannot(), "lease": lease(ntp=(), dns=(), asked=(6,))})

        given = network.handed_out(setup(), evidence)

        assert network.name_servers(SITE, given) == Servers(addresses=(), origin="nobody")
        assert network.time_servers(SITE, given).obstacle == cannot()

    def test_a_lease_speaks_against_doubtful_silence(self) -> None:
        """Who holds a lease has heard a server before; the silence is then this computer's own."""
        evidence = Known({"dhcp": silence("UDP socket"), "lease": lease()})

        given = network.handed_out(setup(), evidence)

        assert (given.origin, given.dns) == ("lease", (SERVER,))
        assert given.obstacle.cause == "not-permitted"

    def test_doubtful_silence_without_a_lease_leaves_a_doubt(self) -> None:
        """Nobody knows what is handed out, and the command says how to find out."""
        unheard = msgspec.structs.replace(dhcp(), deaf="udp-socket", command="sudo")
        evidence = Known({"dhcp": unheard, "lease": cannot("not-configured")})

        given = network.handed_out(setup(), evidence)

        assert (given.origin, given.dns, given.ntp) == ("nobody", (), ())
        assert (given.obstacle.cause, given.obstacle.command) == ("not-permitted", "sudo")

    def test_another_networks_offer_hands_out_nothing_here(self) -> None:
        """Its servers are a stranger's, and are not asked."""
        stray = offer(**STRAY)

        given = network.handed_out(setup(), Known({"dhcp": dhcp(stray)}))

        assert given == HandedOut(origin="nobody", stranger=stray)
        assert network.name_servers(SITE, given).stranger is stray
        assert network.time_servers(SITE, given).stranger is stray

    def test_an_offer_of_nothing_hands_out_nothing(self) -> None:
        """Whatever options a boot server sends."""
        evidence = Known({"dhcp": dhcp(offer(address="0.0.0.0"))})

        assert network.handed_out(setup(), evidence) == HandedOut(origin="nobody")

    def test_by_nobody_for_a_reason(self) -> None:
        """What DHCP would have told is unknown, which is not the same as not offered."""
        evidence = Known({"dhcp": cannot(), "lease": cannot("not-configured")})

        assert network.handed_out(setup(), evidence) == HandedOut(
            origin="nobody", obstacle=cannot()
        )

    def test_ignores_another_kind(self) -> None:
        """Evidence that was tampered with has no say."""
        evidence = Known({"dhcp": answer(SERVER), "lease": answer(SERVER)})

        assert network.handed_out(setup(), evidence) == HandedOut(origin="nobody")

    def test_says_when_nothing_was_measured(self) -> None:
        """No observation is neither silence nor an obstacle."""
        with pytest.raises(LookupError):
            network.handed_out(setup(), Known())


class TestSilenceIsDoubtful:
    """Whether this computer's own firewall may have swallowed an offer."""

    @pytest.mark.parametrize(
        ("observed", "doubtful"),
        [
            (silence("UDP socket"), True),
            (silence("packet socket"), False),
            (msgspec.structs.replace(silence("UDP socket"), offers=(OFFER,)), False),
            (dhcp(), False),
            (msgspec.structs.replace(dhcp(), deaf="udp-socket"), True),
            (msgspec.structs.replace(dhcp(), deaf="wsl"), True),
            (msgspec.structs.replace(dhcp(), deaf="wsl", offers=(OFFER,)), False),
        ],
    )
    def test_by_the_socket_that_was_used(self, observed: DhcpObserved, *, doubtful: bool) -> None:
        """Only a packet socket hears what a firewall drops; an offer ends all doubt."""
        assert network.silence_is_doubtful(setup(), observed) == doubtful

    @pytest.mark.parametrize(
        "vantage",
        [
            Vantage(interface="eth0", address="169.254.7.9", prefix=16),
            Vantage(interface="lo", address="127.0.0.1", prefix=8, loopback=True),
            cannot(),
        ],
    )
    def test_not_where_this_computer_heard_nothing_either(
        self, vantage: Vantage | CannotMeasure
    ) -> None:
        """Its own client made an address up (RFC 3927); the embedded site has no firewall."""
        here = msgspec.structs.replace(setup(), vantage=vantage)

        assert not network.silence_is_doubtful(here, silence("UDP socket"))

    def test_in_wsl_even_then(self) -> None:
        """Its own network has no DHCP to speak of."""
        vantage = Vantage(interface="eth0", address="169.254.7.9", prefix=16)
        here = msgspec.structs.replace(setup(), vantage=vantage)

        assert network.silence_is_doubtful(here, msgspec.structs.replace(dhcp(), deaf="wsl"))


class TestServers:
    """Which servers are asked, and who named them."""

    CONFIGURED = Site(dns=Dns(servers=(SECOND,)), ntp=Ntp(servers=(THIRD,)))

    def test_those_handed_out_go_first(self) -> None:
        """The CUBE uses what DHCP says; the site file is for networks without it."""
        given = HandedOut(origin="dhcp", dns=(SERVER,), ntp=(SERVER,))

        for servers in (
            network.name_servers(self.CONFIGURED, given),
            network.time_servers(self.CONFIGURED, given),
        ):
            assert servers == Servers(addresses=(SERVER,), origin="dhcp")

    def test_those_of_a_lease_say_so(self) -> None:
        """The origin is told on the certificate."""
        given = HandedOut(origin="lease", dns=(SERVER,), ntp=(SERVER,))

        assert network.name_servers(SITE, given).origin == "lease"

    def test_those_of_the_site_file_fill_in(self) -> None:
        """Each kind by itself: DHCP may hand out one and not the other."""
        given = HandedOut(origin="dhcp", dns=(SERVER,))

        assert network.name_servers(self.CONFIGURED, given).origin == "dhcp"
        assert network.time_servers(self.CONFIGURED, given) == Servers(
            addresses=(THIRD,), origin="site"
        )

    def test_nobody_named_any(self) -> None:
        """Not offered, or not known because of an obstacle."""
        assert network.name_servers(SITE, HandedOut(origin="dhcp")) == Servers(
            addresses=(), origin="nobody"
        )
        blocked = HandedOut(origin="nobody", obstacle=cannot())
        assert network.time_servers(SITE, blocked) == Servers(
            addresses=(), origin="nobody", obstacle=cannot()
        )

    def test_configured_ones_outlive_an_obstacle(self) -> None:
        """The site file's servers can be asked without DHCP."""
        blocked = HandedOut(origin="nobody", obstacle=cannot())

        assert network.name_servers(self.CONFIGURED, blocked) == Servers(
            addresses=(SECOND,), origin="site"
        )


class TestHosts:
    """Addresses that can belong to a server."""

    def test_are_bounded(self) -> None:
        """A DHCP option can list sixty servers; the first half of them may well be meant."""
        many = [f"10.0.0.{n}" for n in range(1, 60)]

        assert network.hosts(many) == tuple(many[: network.SERVER_LIMIT])

    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",
            "0.0.0.53",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "",
            "ntp",
            "::1",
        ],
    )
    def test_leave_out_nobody(self, address: str) -> None:
        """A packet to one of these would reach no server, or too many."""
        assert network.hosts([address, SERVER]) == (SERVER,)
        assert not network.is_host(address)

    @pytest.mark.parametrize(
        ("mask", "nobody"),
        [
            ("255.255.255.0", ("10.20.0.0", "10.20.0.255")),
            ("255.255.255.252", ("10.20.0.120", "10.20.0.123")),
            ("255.255.255.254", ()),
            ("255.255.255.255", ()),
            (None, ()),
            ("nonsense", ()),
        ],
    )
    def test_have_no_place_on_a_networks_edge(
        self, mask: str | None, nobody: tuple[str, ...]
    ) -> None:
        """The network's own address and its broadcast address are nobody's."""
        assert network.no_hosts_of(offer(subnet_mask=mask)) == nobody

    @given(st.lists(st.ip_addresses(v=4).map(str), max_size=60))
    def test_are_distinct_and_in_order(self, addresses: list[str]) -> None:
        """The order is the network's preference."""
        kept = network.hosts(addresses)

        assert len(set(kept)) == len(kept) <= network.SERVER_LIMIT
        assert sorted(kept, key=addresses.index) == list(kept)


class TestUsable:
    """Which addresses a cloud service can have."""

    @pytest.mark.parametrize(
        ("address", "public", "lab"),
        [
            ("20.50.2.1", True, True),
            ("1.1.1.1", True, True),
            ("223.255.255.255", True, True),
            ("0.0.0.0", False, False),  # unspecified
            ("0.1.2.3", False, False),  # RFC 1122 section 3.2.1.3
            ("10.0.0.0", False, True),  # RFC 1918, first and last
            ("10.255.255.255", False, True),
            ("9.255.255.255", True, True),
            ("11.0.0.0", True, True),
            ("172.15.255.255", True, True),
            ("172.16.0.0", False, True),
            ("172.31.255.255", False, True),
            ("172.32.0.0", True, True),
            ("192.167.255.255", True, True),
            ("192.168.0.0", False, True),
            ("192.168.255.255", False, True),
            ("192.169.0.0", True, True),
            ("100.63.255.255", True, True),
            ("100.64.0.0", False, True),  # RFC 6598
            ("100.127.255.255", False, True),
            ("100.128.0.0", True, True),
            ("198.17.255.255", True, True),
            ("198.18.0.0", False, True),  # RFC 2544
            ("198.19.255.255", False, True),
            ("198.20.0.0", True, True),
            ("169.253.255.255", True, True),
            ("169.254.0.1", False, False),  # RFC 3927
            ("169.255.0.0", True, True),
            ("192.0.0.1", False, False),  # RFC 6890
            ("192.0.1.0", True, True),
            ("192.0.2.1", False, False),  # RFC 5737
            ("198.51.100.255", False, False),
            ("203.0.113.0", False, False),
            ("203.0.114.0", True, True),
            ("224.0.0.1", False, False),  # multicast
            ("239.255.255.255", False, False),
            ("240.0.0.1", False, False),  # reserved
            ("255.255.255.255", False, False),
            ("127.0.0.1", False, False),
            ("127.255.255.254", False, False),
            ("not an address", False, False),
        ],
    )
    def test_range(self, address: str, *, public: bool, lab: bool) -> None:
        """A filtering resolver answers with one of the others; a lab may use private ones."""
        assert network.usable(address, allow_private=False) == public
        assert network.usable(address, allow_private=True) == lab

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53"])
    def test_loopback_is_for_the_embedded_site_only(self, address: str) -> None:
        """A cloud name that leads to the asking computer itself is blocked by somebody."""
        assert network.usable(address, allow_private=False, simulated=True)
        assert not network.usable(address, allow_private=True)

    @given(st.ip_addresses(v=4).map(str))
    def test_private_only_adds(self, address: str) -> None:
        """The lab setting must not refuse what counts without it."""
        if network.usable(address, allow_private=False):
            assert network.usable(address, allow_private=True)


class TestUsableAddresses:
    """What counts of one answer."""

    def test_keeps_the_good_ones_in_order(self) -> None:
        """One sinkhole address among good ones does no harm."""
        mixed = answer(SERVER, "11.0.0.2", "0.0.0.0", "11.0.0.1", "11.0.0.2")

        assert network.usable_addresses(setup(), mixed) == ("11.0.0.2", "11.0.0.1")

    @pytest.mark.parametrize("rcode", ["NXDOMAIN", "SERVFAIL", "REFUSED", ""])
    def test_only_of_a_good_answer(self, rcode: str) -> None:
        """An address beside an error is not an answer."""
        assert network.usable_addresses(setup(), answer(SERVER, "11.0.0.1", rcode=rcode)) == ()

    def test_are_bounded(self) -> None:
        """A reply can list hundreds."""
        many = answer(SERVER, *(f"11.0.0.{n}" for n in range(100)))

        assert len(network.usable_addresses(setup(), many)) == 16

    def test_follow_the_site(self) -> None:
        """Private addresses count in a lab, loopback on the embedded site."""
        private, own = answer(SERVER, "10.1.1.1"), answer(SERVER, "127.0.0.1")
        lab = Site(cloud=Cloud(allow_private=True))

        assert network.usable_addresses(setup(), private) == ()
        assert network.usable_addresses(setup(lab), private) == ("10.1.1.1",)
        assert network.usable_addresses(setup(lab), own) == ()
        assert network.usable_addresses(setup(simulated=True), own) == ("127.0.0.1",)


class TestAddresses:
    """What all DNS servers together said about a host."""

    def test_merges_the_servers_answers(self) -> None:
        """In the servers' order, each address once."""
        evidence = Known(
            {
                "dhcp": dhcp(offer(dns=(SERVER, SECOND, THIRD))),
                f"dns/{SERVER}/{TAPIO}": answer(SERVER, "11.0.0.2", "11.0.0.1"),
                f"dns/{SECOND}/{TAPIO}": cannot("other-route"),
                f"dns/{THIRD}/{TAPIO}": answer(THIRD, "11.0.0.3", "11.0.0.2"),
            }
        )

        assert network.addresses(setup(), evidence, TAPIO) == ("11.0.0.2", "11.0.0.1", "11.0.0.3")

    def test_of_a_silent_server_are_none(self) -> None:
        """HTTPS-01 then names DNS as the reason."""
        silent = DnsObserved(
            started=STARTED,
            duration_s=6.0,
            server=SERVER,
            name=TAPIO,
            trouble=Trouble(kind="no-answer", phase="udp"),
        )
        evidence = Known({"dhcp": dhcp(OFFER), f"dns/{SERVER}/{TAPIO}": silent})

        assert network.addresses(setup(), evidence, TAPIO) == ()

    def test_without_servers_are_none(self) -> None:
        """Nobody to ask is nobody's answer."""
        assert network.addresses(setup(), Known({"dhcp": dhcp()}), TAPIO) == ()

    def test_says_when_a_server_was_not_asked(self) -> None:
        """Missing evidence must not become a missing address."""
        with pytest.raises(LookupError):
            network.addresses(setup(), Known({"dhcp": dhcp(OFFER)}), TAPIO)


class TestKeys:
    """The names of observations."""

    def test_are_stable(self) -> None:
        """Saved evidence is found by these names for years."""
        assert network.dns_key(SERVER, TAPIO) == f"dns/10.20.0.1/{TAPIO}"
        assert network.page_key(CUBE, 80) == "page/10.20.0.50:80"
        assert network.page_key(CUBE, 80, "cube.example") == "page/10.20.0.50:80/cube.example"
        assert list(HOSTS) == [TAPIO, HOMAG]


class TestNextHops:
    """Which router a device with an offer takes (RFC 1122 section 3.3.1.1, RFC 3442)."""

    @pytest.mark.parametrize(
        ("changes", "target", "routers"),
        [
            ({}, "11.20.0.10", {SERVER}),
            ({}, "10.20.0.7", {""}),
            ({"routers": (SECOND, THIRD)}, "11.20.0.10", {SECOND, THIRD}),
            ({"routers": ()}, "11.20.0.10", set()),
            ({"routers": ("0.0.0.0",)}, "11.20.0.10", set()),
            ({"subnet_mask": None}, "10.20.0.7", set()),
            ({"routes": (("0.0.0.0/0", SECOND),)}, "11.20.0.10", {SECOND}),
            ({"routes": (("0.0.0.0/0", SECOND),)}, "10.20.0.7", {""}),
            (
                {"routes": (("0.0.0.0/0", SERVER), ("11.0.0.0/8", SECOND), ("11.0.0.0/8", THIRD))},
                "11.20.0.10",
                {SECOND, THIRD},
            ),
            ({"routes": (("11.20.0.0/16", "0.0.0.0"),)}, "11.20.0.10", {""}),
            ({"routes": (("12.0.0.0/8", SECOND),)}, "11.20.0.10", set()),
        ],
    )
    def test_follows_mask_and_routes(
        self, changes: dict[str, object], target: str, routers: set[str]
    ) -> None:
        """The most specific route counts, and option 3 only where there is no option 121."""
        assert network.next_hops(offer(**changes), target) == routers

    def test_destinations_that_are_no_networks_lead_nowhere(self) -> None:
        """Evidence in a file may say anything, and whoever reads it has to be told so."""
        nonsense = offer(routes=(("<b>/1/2", SECOND), ("11.0.0.0/8", THIRD)))
        assert network.next_hops(nonsense, "11.20.0.10") == {THIRD}
        assert network.default_routers(nonsense) == ()
        assert network.complete(nonsense)


class TestCubeLimit:
    """For how many CUBEs DHCP is asked."""

    def test_names_no_more_of_them(self) -> None:
        """Where nobody answers, page 1 lists the hardware addresses that were asked for."""
        cubes = tuple(
            Cube(name=f"line-{n}", address=f"10.20.0.5{n}", mac=f"02:00:00:00:01:0{n}")
            for n in range(9)
        )
        site = msgspec.structs.replace(SITE, cubes=cubes)
        owing = Owed(requirement="DHCP-01", subject=catalogues.SITE, case="DHCP-01")

        judgement = cases.judge(healthy.saved({"dhcp": dhcp()}, site=site), owing)

        assert judgement.facts["macs"] == [cube.mac for cube in cubes[:8]]


class TestRedirectName:
    """The name that a page leads away to."""

    @pytest.mark.parametrize(
        ("location", "name"),
        [
            ("http://Cube.Plant.example./ui", "cube.plant.example"),
            ("//cube/", "cube"),
            ("", ""),
            ("/ui", ""),
            ("http://10.20.0.1/", ""),
            ("http://[2001:db8::1]/", ""),
            ("http://[", ""),
            ("http://b\u00fcro.example/", ""),
            (f"http://{'a' * 64}/", ""),
            (f"http://{LONGEST}/", LONGEST),
            (f"http://{LONGEST}a/", ""),
            ("mailto:somebody", ""),
        ],
    )
    def test_of_a_location(self, location: str, name: str) -> None:
        """Only what DNS can be asked for."""
        page = msgspec.structs.replace(healthy.page(80), redirect=location)

        assert network.redirect_name(page) == name

    def test_without_a_response(self) -> None:
        """There is nothing that it could be relative to."""
        page = msgspec.structs.replace(healthy.page(80), replies=(), redirect="http://cube/")

        assert network.redirect_name(page) == "cube"

    def test_relative_to_a_page_under_a_name(self) -> None:
        """A path stays with the name that the page was asked for by."""
        reply = msgspec.structs.replace(healthy.page(80).replies[0], url="http://cube.example/a")
        page = msgspec.structs.replace(healthy.page(80), replies=(reply,), redirect="/login")

        assert network.redirect_name(page) == "cube.example"


class TestIsFinal:
    """After which answers a resolver asks nobody else, as glibc's does in the lab."""

    @pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN", "FORMERR", "NOTAUTH"])
    def test_is_what_is_no_excuse(self, rcode: str) -> None:
        """A name that is denied is denied, whatever the next server knows."""
        assert network.is_final(answer(SERVER, rcode=rcode))

    @pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP"])
    def test_is_no_excuse(self, rcode: str) -> None:
        """A server that cannot or will not help sends to the next one."""
        assert not network.is_final(answer(SERVER, rcode=rcode))

    def test_is_no_silence(self) -> None:
        """Who says nothing denies nothing."""
        assert not network.is_final(answer(SERVER, rcode=None))

    @pytest.mark.parametrize(
        ("over_tcp", "final"), [("not-needed", True), ("answer", True), ("refused", False)]
    )
    def test_is_whole(self, over_tcp: str, final: bool) -> None:  # noqa: FBT001
        """What is said to be cut has not been said."""
        assert network.is_final(answer(SERVER, tcp=over_tcp)) is final


class TestLeading:
    """Whose addresses count of a name, while some servers may still be asked."""

    @pytest.mark.parametrize(
        ("answers", "leading"),
        [
            ({}, ()),
            ({SERVER: ("11.0.0.1",)}, ("11.0.0.1",)),
            ({SECOND: ("11.0.0.2",)}, ()),
            ({SERVER: (), SECOND: ("11.0.0.2",)}, ("11.0.0.2",)),
            ({SERVER: ("11.0.0.1",), SECOND: ("11.0.0.2",)}, ("11.0.0.1",)),
            ({SERVER: (), SECOND: ()}, ()),
        ],
    )
    def test_follows_the_servers_order(
        self, answers: dict[str, tuple[str, ...]], leading: tuple[str, ...]
    ) -> None:
        """The quicker server must not decide, nor one without a usable address."""
        assert network.leading((SERVER, SECOND), answers) == leading
