"""What DHCP clients really wrote and printed of one and the same lease."""

WRITTEN_S = 1_795_446_139.0
"""2026-11-23T15:02:19Z, when the leases below were written."""
EXPIRES_S = WRITTEN_S + 3600

NETWORKD = """\
# This is private data. Do not parse.
ADDRESS=10.20.0.161
NETMASK=255.255.255.0
ROUTER=10.20.0.1
SERVER_ADDRESS=10.20.0.1
NEXT_SERVER=10.20.0.1
BROADCAST=10.20.0.255
T1=1800
T2=3150
LIFETIME=3600
DNS=10.20.0.1 10.20.0.2
NTP=10.20.0.3
HOSTNAME=vm
CLIENTID=01bea666b58976
"""
"""What systemd-networkd 252 wrote."""

DHCLIENT = """\
lease {
  interface "eth0";
  fixed-address 10.20.0.99;
  option dhcp-lease-time 3600;
  expire 0 2026/11/22 16:02:19;
}
lease {
  interface "eth0";
  fixed-address 10.20.0.161;
  option subnet-mask 255.255.255.0;
  option routers 10.20.0.1;
  option dhcp-lease-time 3600;
  option dhcp-message-type 5;
  option domain-name-servers 10.20.0.1,10.20.0.2;
  option dhcp-server-identifier 10.20.0.1;
  option domain-name "a}; fixed-address 192.0.2.1; {\\"";
  option ntp-servers 10.20.0.3;
  renew 1 2026/11/23 15:30:09;
  rebind 1 2026/11/23 15:54:49;
  expire 1 2026/11/23 16:02:19;
}
lease {
  interface "wlan0";
  fixed-address 192.0.2.7;
  expire never;
}
"""
"""What dhclient 4.4.3 writes, with a hostile domain name."""

DHCLIENT_WORDS = (
    "lease {",
    "}",
    ";",
    " ",
    '"',
    "\\",
    'interface "eth0"',
    "fixed-address 10.20.0.161",
    "option ",
    "option routers ,",
    "expire ",
    "expire never",
)

DHCPCD = """\
reason=BOUND
interface=eth0
protocol=dhcp
ip_address=10.20.0.161
subnet_cidr=24
network_number=10.20.0.0
subnet_mask=255.255.255.0
routers=10.20.0.1
broadcast_address=10.20.0.255
domain_name_servers='10.20.0.1 10.20.0.2'
ntp_servers=10.20.0.3
dhcp_lease_time=3600
dhcp_message_type=5
dhcp_server_identifier=10.20.0.1
"""
"""What ``dhcpcd -4 -U eth0`` 9.4.1 printed, with servers added."""

DHCPCD_ACK = bytes.fromhex(
    "020106002c755a2d00000000000000000a1400a10a14000100000000bea666b58976" + "00" * 202 + "63825363"
    "35010536040a140001330400000e103a04000007083b0400000c4e0104ffffff001c040a1400ff03040a140001ff"
).ljust(300, b"\0")
"""The lease file that dhcpcd 9.4.1 kept."""

NMCLI = """\
DHCP4.OPTION[1]:dhcp_lease_time = 3600
DHCP4.OPTION[2]:dhcp_server_identifier = 10.20.0.1
DHCP4.OPTION[3]:domain_name_servers = 10.20.0.1 10.20.0.2
DHCP4.OPTION[4]:expiry = 1795449739
DHCP4.OPTION[5]:ip_address = 10.20.0.161
DHCP4.OPTION[6]:ntp_servers = 10.20.0.3
DHCP4.OPTION[7]:requested_broadcast_address = 1
DHCP4.OPTION[8]:requested_routers = 1
DHCP4.OPTION[9]:routers = 10.20.0.1
DHCP4.OPTION[10]:subnet_mask = 255.255.255.0
"""

IPCONFIG = """\
op = BOOTREPLY
htype = 1
flags = 0x0
hlen = 6
hops = 0
xid = 0x2c755a2d
secs = 0
ciaddr = 0.0.0.0
yiaddr = 10.20.0.161
siaddr = 10.20.0.1
giaddr = 0.0.0.0
chaddr = be:a6:66:b5:89:76
sname =
file =
options:
Options count is 8
dhcp_message_type (uint8): ACK 0x5
server_identifier (ip): 10.20.0.1
lease_time (uint32): 0xe10
subnet_mask (ip): 255.255.255.0
router (ip_mult): {10.20.0.1}
domain_name_server (ip_mult): {10.20.0.1, 10.20.0.2}
domain_name (string): yiaddr = 192.0.2.1
network_time_protocol_servers (ip_mult): {10.20.0.3}
end (none):
"""

WINDOWS: dict[str, object] = {
    "EnableDHCP": 1,
    "DhcpIPAddress": "10.20.0.161",
    "DhcpSubnetMask": "255.255.255.0",
    "DhcpServer": "10.20.0.1",
    "DhcpDefaultGateway": ["10.20.0.1"],
    "DhcpNameServer": "10.20.0.1 10.20.0.2",
    "Lease": 3600,
    "LeaseTerminatesTime": 1795449739,
}

DHCLIENT_LOCAL = """\
lease {
  interface "eth0";
  fixed-address 10.20.0.161;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 3600;
  option dhcp-message-type 5;
  option domain-name-servers 10.20.0.1,10.20.0.2;
  option dhcp-server-identifier 10.20.0.1;
  option dhcp-renewal-time 1800;
  option rfc3442-classless-static-routes 0,10,20,0,1,16,10,30,10,20,0,9;
  option ntp-servers 10.20.0.3;
  option broadcast-address 10.20.0.255;
  option dhcp-rebinding-time 3150;
  renew epoch 1795447939; # Mon Nov 23 15:32:19 2026
  rebind epoch 1795449289; # Mon Nov 23 15:54:49 2026
  expire epoch 1795449739; # Mon Nov 23 16:02:19 2026
}
"""
"""What dhclient 4.4.3 wrote with ``db-time-format local`` of dnsmasq's option 121."""

DHCLIENT_CONF = """\
# Configuration file for /sbin/dhclient.
option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;

send host-name = gethostname();
request subnet-mask, broadcast-address, time-offset, routers,
\tdomain-name, domain-name-servers, domain-search, host-name,
\tdhcp6.name-servers, dhcp6.domain-search, dhcp6.fqdn, dhcp6.sntp-servers,
\tnetbios-name-servers, netbios-scope, interface-mtu,
\trfc3442-classless-static-routes, ntp-servers;

#request domain-name;
#alias {
#  interface "eth0";
#}
"""
"""What Debian's dhclient comes with, shortened."""

DHCPCD_CONF = """\
hostname
duid
persistent
option rapid_commit
option domain_name_servers, domain_name, domain_search
option classless_static_routes
#option ntp_servers
require dhcp_server_identifier
slaac private
"""
"""What Debian's dhcpcd comes with, without its comments."""

NMCLI_DHCLIENT = """\
DHCP4.OPTION[1]:requested_domain_name_servers = 1
DHCP4.OPTION[2]:requested_ntp_servers = 1
DHCP4.OPTION[3]:requested_rfc3442_classless_static_routes = 1
DHCP4.OPTION[4]:dhcp_lease_time = 3600
DHCP4.OPTION[5]:dhcp_server_identifier = 10.20.0.1
DHCP4.OPTION[6]:domain_name_servers = 10.20.0.1 10.20.0.2
DHCP4.OPTION[7]:expiry = 1795449739
DHCP4.OPTION[8]:ip_address = 10.20.0.161
DHCP4.OPTION[9]:ntp_servers = 10.20.0.3
DHCP4.OPTION[10]:rfc3442_classless_static_routes = 0 10 20 0 1 16 10 30 10 20 0 9
DHCP4.OPTION[11]:subnet_mask = 255.255.255.0
"""
"""What nmcli prints where NetworkManager lets dhclient ask."""

WICKED = """\
<lease>
  <family>ipv4</family>
  <type>dhcp</type>
  <owner>7c576658-66c0-0e00-fc01-000004000000</owner>
  <uuid>7c576658-66c0-0e00-fc01-000004000000</uuid>
  <state>granted</state>
  <update>0x00000000</update>
  <acquired>1795446139</acquired>
  <ipv4:dhcp>
    <client-id>01:be:a6:66:b5:89:76</client-id>
    <server-address>10.20.0.1</server-address>
    <lease-time>3600</lease-time>
    <renewal-time>1800</renewal-time>
    <rebind-time>3150</rebind-time>
    <address>10.20.0.161</address>
    <netmask>255.255.255.0</netmask>
    <broadcast>10.20.0.255</broadcast>
    <routes>
      <route>
        <destination>10.30.0.0/16</destination>
        <nexthop>
          <gateway>10.20.0.9</gateway>
        </nexthop>
      </route>
      <route>
        <nexthop>
          <gateway>10.20.0.1</gateway>
        </nexthop>
      </route>
    </routes>
    <dns>
      <domain>192.0.2.1</domain>
      <server>10.20.0.1</server>
      <server>10.20.0.2</server>
    </dns>
    <ntp>
      <server>10.20.0.3</server>
    </ntp>
  </ipv4:dhcp>
</lease>
"""
"""What wicked keeps, by its source."""

CONNMAN_SERVICES = """\
*AO Wired                ethernet_bea666b58976_cable
*AR Werk 2               wifi_d45d64aabbcc_5765726b_managed_psk
*A  Known before         wifi_d45d64aabbcc_616c74_managed_psk
    Guest                wifi_d45d64aabbcc_47617374_managed_none
"""

CONNMAN = """\
/net/connman/service/ethernet_bea666b58976_cable
  Type = ethernet
  Security = [  ]
  State = online
  Favorite = True
  Immutable = False
  AutoConnect = True
  Name = Wired
  Ethernet = [ Method=auto, Interface=eth0, Address=BE:A6:66:B5:89:76, MTU=1500 ]
  IPv4 = [ Method=dhcp, Address=10.20.0.161, Netmask=255.255.255.0, Gateway=10.20.0.1 ]
  IPv4.Configuration = [ Method=dhcp ]
  IPv6 = [  ]
  IPv6.Configuration = [ Method=auto, Privacy=disabled ]
  Nameservers = [ 10.20.0.1, 10.20.0.2 ]
  Nameservers.Configuration = [  ]
  Timeservers = [ 10.20.0.3 ]
  Timeservers.Configuration = [  ]
  Domains = [ plant.example ]
  Domains.Configuration = [  ]
  Proxy = [ Method=direct ]
  Proxy.Configuration = [  ]
  Provider = [  ]
"""
"""What ``connmanctl services ethernet_bea666b58976_cable`` prints."""

UDHCPC = """\
interface=eth0
ip=10.20.0.161
subnet=255.255.255.0
mask=24
broadcast=10.20.0.255
siaddr=10.20.0.1
staticroutes='0.0.0.0/0 10.20.0.1 10.30.0.0/16 10.20.0.9'
dns='10.20.0.1 10.20.0.2'
ntpsrv=10.20.0.3
serverid=10.20.0.1
lease=3600
opt53=05
"""
"""What BusyBox 1.35's udhcpc told its script."""

NETWORK = """\
[Match]
Name=eth0

[Network]
DHCP=ipv4

[DHCPv4]
RouteMetric=100
UseMTU=true
"""
"""What netplan writes for systemd-networkd."""
