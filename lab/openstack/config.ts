/**
 * The configuration files of the lab's OpenStack services, as data, and how they are written down.
 * Upstream analogue: kolla-ansible's templates of keystone.conf, nova.conf and so on; options not named keep upstream's defaults.
 */
import { type apiPorts, internalUrl, ports, publicUrl, region } from "../site.ts";

type IniValue = string | number | boolean;
/** Section name → option → value. */
type Ini = Record<string, Record<string, IniValue>>;

interface OpenStackSettings {
  /** Folder below which the services keep their data. */
  data: string;
  /** Folder for log files. */
  log: string;
  /** Folder the files are written to (Octavia's CA lies there too). */
  etc: string;
  /** The Python environment's `etc` folder, with upstream's api-paste files. */
  upstreamEtc: string;
  /** Password of the service users. */
  servicePassword: string;
  /** Passphrase of Octavia's CA key. */
  octaviaPassphrase: string;
}

/** An Ini as oslo.config reads it. Values that span lines would change their meaning and are refused. */
export function renderIni(ini: Ini): string {
  const sections = Object.entries(ini).map(([section, options]) => {
    const lines = Object.entries(options).map(([name, value]) => {
      const text = String(value);
      if (/[\r\n]/.test(text)) throw new Error(`${section}.${name}: a value may not span lines`);
      return `${name} = ${text}`;
    });
    return [`[${section}]`, ...lines].join("\n");
  });
  return `${sections.join("\n\n")}\n`;
}

/** Database URL of a service; root has no password because the server listens on the namespace's loopback only. */
const databaseUrl = (name: string): string =>
  `mysql+pymysql://root@127.0.0.1:${ports.mariadb}/${name}?charset=utf8mb4`;

const transport = `rabbit://guest:guest@127.0.0.1:${ports.rabbitmq}/`;

const zeroKey = "0".repeat(64);

/** Every configuration file, by file name. */
export function openstackConfigs(settings: OpenStackSettings): Record<string, Ini> {
  const { data, log, etc, upstreamEtc } = settings;

  const credentials = (user: string): Record<string, IniValue> => ({
    auth_type: "password",
    auth_url: `${internalUrl("keystone")}/v3`,
    username: user,
    password: settings.servicePassword,
    project_name: "service",
    user_domain_id: "default",
    project_domain_id: "default",
    region_name: region,
    valid_interfaces: "internal",
  });
  const database = (name: string): Record<string, IniValue> => ({
    connection: databaseUrl(name),
    max_pool_size: 5,
    max_overflow: 20,
  });
  const policy = { enforce_scope: true, enforce_new_defaults: true };
  // the proxy ends TLS: without this the services hand out http:// links
  const middleware = { enable_proxy_headers_parsing: true };

  const common = (user: string, serviceType: string): Ini => ({
    keystone_authtoken: {
      ...withoutInterfaces(credentials(user)),
      www_authenticate_uri: `${publicUrl("keystone")}/v3`,
      interface: "internal",
      service_token_roles: "service",
      service_token_roles_required: true,
      service_type: serviceType,
    },
    service_user: { send_service_user_token: true, ...withoutInterfaces(credentials(user)) },
    oslo_concurrency: { lock_path: `${data}/lock/${user}` },
    oslo_messaging_rabbit: { rpc_conn_pool_size: 10 },
    oslo_messaging_notifications: { driver: "noop" },
    oslo_policy: policy,
    oslo_middleware: middleware,
  });

  return {
    "keystone.conf": {
      DEFAULT: {
        log_file: `${log}/keystone.log`,
        max_token_size: 1024,
        public_endpoint: publicUrl("keystone"),
      },
      cache: { enabled: true, backend: "dogpile.cache.memory" },
      token: { provider: "fernet", expiration: 86400 },
      // Keystone has one default folder for both, in /etc
      fernet_tokens: { key_repository: `${data}/keystone/fernet` },
      fernet_receipts: { key_repository: `${data}/keystone/fernet` },
      credential: { key_repository: `${data}/keystone/credential` },
      // Four rounds instead of twelve: a lab's passwords are random, and each login costs CPU that two cores lack. Not scrypt, of which
      // Keystone takes 16 whatever this says: a quarter of a second for each login.
      identity: { password_hash_algorithm: "bcrypt", password_hash_rounds: 4 },
      oslo_policy: policy,
      oslo_middleware: middleware,
      database: database("keystone"),
    },
    "glance-api.conf": {
      DEFAULT: {
        log_file: `${log}/glance.log`,
        enabled_backends: "fs:file",
        workers: 1,
        enabled_import_methods: "[glance-direct]",
        public_endpoint: publicUrl("glance"),
      },
      glance_store: { default_backend: "fs" },
      fs: { filesystem_store_datadir: `${data}/glance/images` },
      os_glance_staging_store: { filesystem_store_datadir: `${data}/glance/staging` },
      os_glance_tasks_store: { filesystem_store_datadir: `${data}/glance/tasks` },
      paste_deploy: { flavor: "keystone", config_file: `${upstreamEtc}/glance/glance-api-paste.ini` },
      database: database("glance"),
      ...common("glance", "image"),
    },
    "placement.conf": {
      DEFAULT: { log_file: `${log}/placement.log` },
      placement_database: { connection: databaseUrl("placement") },
      api: { auth_strategy: "keystone" },
      ...common("placement", "placement"),
    },
    "nova.conf": {
      DEFAULT: {
        log_dir: log,
        state_path: `${data}/nova`,
        host: "lab1",
        my_ip: "127.0.0.1",
        // Nova takes drivers below nova.virt only; plugins/nova_path extends that package's path
        compute_driver: "capilab.LabDriver",
        transport_url: transport,
        // A host whose first report met a service that was not up yet reports again soon, not after a minute; each report is work for
        // Nova, Placement and the database.
        update_resources_interval: 30,
        // the lab has one host: a server of another flavor stays on it
        allow_resize_to_same_host: true,
        // ports are bound by the lab's own mechanism driver, which sends no plug event
        vif_plugging_is_fatal: false,
        vif_plugging_timeout: 0,
        default_schedule_zone: "nova",
        resume_guests_state_on_host_boot: true,
        report_interval: 5,
        sync_power_state_interval: 30,
        // Nova's fake shows machines that the lab's stop ended as stopped; they come back with the next start
        reboot_timeout: 0,
      },
      wsgi: { api_paste_config: `${upstreamEtc}/nova/api-paste.ini` },
      api: { auth_strategy: "keystone" },
      compute: { provider_config_location: `${data}/nova/provider-config` },
      conductor: { workers: 1 },
      scheduler: { workers: 1, discover_hosts_in_cells_interval: 5 },
      vnc: { enabled: false },
      database: database("nova_cell1"),
      api_database: database("nova_api"),
      placement: credentials("placement"),
      glance: { api_servers: internalUrl("glance"), ...credentials("glance") },
      cinder: {
        catalog_info: "block-storage::internalURL",
        os_region_name: region,
        ...credentials("cinder"),
      },
      neutron: { ...credentials("neutron"), service_metadata_proxy: false },
      key_manager: { backend: "nova.keymgr.conf_key_mgr.ConfKeyManager", fixed_key: zeroKey },
      ...common("nova", "compute"),
    },
    "cinder.conf": {
      DEFAULT: {
        log_dir: log,
        state_path: `${data}/cinder`,
        host: "lab1",
        my_ip: "127.0.0.1",
        auth_strategy: "keystone",
        api_paste_config: `${upstreamEtc}/cinder/api-paste.ini`,
        resource_query_filters_file: `${upstreamEtc}/cinder/resource_filters.json`,
        transport_url: transport,
        enabled_backends: "files",
        default_volume_type: "__DEFAULT__",
        glance_api_servers: internalUrl("glance"),
        storage_availability_zone: "nova",
        public_endpoint: publicUrl("cinder"),
        report_interval: 5,
        // The scheduler knows a backend only from what it is told while it runs; by default that is every other minute.
        periodic_interval: 30,
        periodic_fuzzy_delay: 0,
      },
      files: { volume_driver: "capi_lab_cinder.FileVolumeDriver", volume_backend_name: "files" },
      coordination: { backend_url: `file://${data}/cinder/coordination` },
      key_manager: { backend: "cinder.keymgr.conf_key_mgr.ConfKeyManager", fixed_key: zeroKey },
      nova: withoutInterfaces({ ...credentials("nova"), interface: "internal" }),
      database: database("cinder"),
      ...common("cinder", "block-storage"),
    },
    "neutron.conf": {
      DEFAULT: {
        log_dir: log,
        state_path: `${data}/neutron`,
        host: "lab1",
        auth_strategy: "keystone",
        api_paste_config: `${upstreamEtc}/neutron/api-paste.ini`,
        transport_url: transport,
        core_plugin: "capi_lab_core.LabMl2Plugin",
        service_plugins: "capi_lab_l3.LabL3Plugin",
        dhcp_agent_notification: false,
        router_auto_schedule: false,
        network_auto_schedule: false,
        allow_automatic_l3agent_failover: false,
        notify_nova_on_port_status_changes: true,
        notify_nova_on_port_data_changes: true,
        api_workers: 1,
        rpc_workers: 1,
        dns_domain: "lab.",
      },
      nova: withoutInterfaces({ ...credentials("nova"), endpoint_type: "internal" }),
      placement: withoutInterfaces({ ...credentials("placement"), endpoint_type: "internal" }),
      ml2: {
        type_drivers: "local,flat,vlan,geneve",
        tenant_network_types: "geneve",
        mechanism_drivers: "capi_lab",
        extension_drivers: "port_security",
      },
      ml2_type_flat: { flat_networks: "*" },
      ml2_type_vlan: { network_vlan_ranges: "physnet1:100:200" },
      ml2_type_geneve: { vni_ranges: "1:10000", max_header_size: 38 },
      securitygroup: { enable_security_group: true, firewall_driver: "noop" },
      database: database("neutron"),
      ...common("neutron", "network"),
    },
    "octavia.conf": {
      DEFAULT: { log_dir: log, transport_url: transport },
      api_settings: {
        bind_host: "127.0.0.1",
        auth_strategy: "keystone",
        enabled_provider_drivers: "amphora:HAProxy in namespaces of the lab",
        default_provider_driver: "amphora",
        api_base_uri: publicUrl("octavia"),
      },
      oslo_messaging: { topic: "octavia_prov" },
      controller_worker: {
        workers: 1,
        amphora_driver: "capi_lab_haproxy",
        compute_driver: "compute_noop_driver",
        network_driver: "capi_lab_network",
        image_driver: "image_noop_driver",
        volume_driver: "volume_noop_driver",
        client_ca: `${etc}/octavia-ca.pem`,
        amp_image_tag: "amphora",
        amp_boot_network_list: "00000000-0000-0000-0000-000000000001",
        amp_flavor_id: 1,
      },
      haproxy_amphora: {
        base_path: `${data}/octavia/balancers`,
        // upstream's 50000 a listener are more open files than many hosts allow
        default_connection_limit: 1000,
      },
      certificates: {
        cert_manager: "local_cert_manager",
        cert_generator: "local_cert_generator",
        storage_path: `${data}/octavia`,
        ca_certificate: `${etc}/octavia-ca.pem`,
        ca_private_key: `${etc}/octavia-ca.key`,
        ca_private_key_passphrase: settings.octaviaPassphrase,
        server_certs_key_passphrase: settings.octaviaPassphrase.slice(0, 32),
      },
      health_manager: { heartbeat_key: settings.octaviaPassphrase },
      service_auth: credentials("octavia"),
      neutron: credentials("octavia"),
      database: database("octavia"),
      ...common("octavia", "load-balancer"),
    },
  };
}

/** keystonemiddleware and plain auth plugins do not know valid_interfaces. */
function withoutInterfaces(options: Record<string, IniValue>): Record<string, IniValue> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name !== "valid_interfaces"));
}

/** rabbitmq.conf: listeners on loopback, small limits. */
export function rabbitmqConf(): string {
  return [
    `listeners.tcp.1 = 127.0.0.1:${ports.rabbitmq}`,
    "loopback_users = none",
    "disk_free_limit.absolute = 50MB",
    "vm_memory_high_watermark.absolute = 1GB",
    "",
  ].join("\n");
}

/** What the catalog holds: service → type and paths. volumev3 is there because the openstack plugin 3.15 looks for it. */
const catalog: { name: string; api: keyof typeof apiPorts; type: string; path: string }[] = [
  { name: "keystone", api: "keystone", type: "identity", path: "/v3" },
  { name: "glance", api: "glance", type: "image", path: "" },
  { name: "placement", api: "placement", type: "placement", path: "" },
  { name: "nova", api: "nova", type: "compute", path: "/v2.1" },
  { name: "neutron", api: "neutron", type: "network", path: "" },
  { name: "cinder", api: "cinder", type: "block-storage", path: "/v3" },
  { name: "cinderv3", api: "cinder", type: "volumev3", path: "/v3" },
  { name: "octavia", api: "octavia", type: "load-balancer", path: "" },
];

/** Input of bootstrap.py: users, services and endpoints of the site. */
export function catalogEntries(): { name: string; type: string; public: string; internal: string }[] {
  return catalog.map(({ name, api, type, path }) => ({
    name,
    type,
    public: `${publicUrl(api)}${path}`,
    internal: `${internalUrl(api)}${path}`,
  }));
}
