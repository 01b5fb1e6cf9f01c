/**
 * Alertmanager's configuration that sends alerts to Slack. Upstream analogue: azimuth-ops role alertmanager_config.
 *
 * Webhooks are bearer secrets: they are files of a mounted secret (`api_url_file`) and appear in no configuration.
 */
import type { MonitoringConfig } from "../config/schema.ts";

type SlackConfig = MonitoringConfig["slack"];

/** Secret beside Alertmanager that holds the webhooks. */
export const SLACK_SECRET = "alertmanager-slack-webhook";

/** Where the operator mounts secrets that `alertmanagerSpec.secrets` names. */
const MOUNT = `/etc/alertmanager/secrets/${SLACK_SECRET}`;

const KEYS = {
  any: "slack-api-url",
  warning: "slack-api-url-warning",
  critical: "slack-api-url-critical",
} as const;

/** The webhooks by their key in the secret; only those that are set. Secret. */
export function slackUrls(slack: SlackConfig): Record<string, string> {
  const all: [string, string | undefined][] = [
    [KEYS.any, slack.webhookUrl],
    [KEYS.warning, slack.warningWebhookUrl],
    [KEYS.critical, slack.criticalWebhookUrl],
  ];
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const TITLE =
  '{{ if eq .Status "firing" }}[{{ .GroupLabels.severity | toUpper }}:{{ .Alerts.Firing | len }}]{{ else }}[RESOLVED]{{ end }} {{ .GroupLabels.alertname }}';

const TEXT = `{{ with .CommonAnnotations.summary }}*Summary:* {{ . }}
{{ end }}{{ with .GroupLabels.namespace }}*Namespace:* {{ . }}
{{ end }}{{ range .Alerts.Firing }}{{ with .Annotations.description }}{{ . }}
{{ end }}{{ end }}{{ with .CommonAnnotations.runbook_url }}*Runbook:* {{ . }}{{ end }}`;

const COLOR =
  '{{ if ne .Status "firing" }}good{{ else if eq .GroupLabels.severity "critical" }}danger{{ else if eq .GroupLabels.severity "warning" }}warning{{ else }}#439FE0{{ end }}';

function receiver(name: string, key: string, slack: SlackConfig) {
  return {
    name,
    slack_configs: [
      {
        api_url_file: `${MOUNT}/${key}`,
        ...(slack.channel === undefined ? {} : { channel: slack.channel }),
        send_resolved: true,
        color: COLOR,
        title: TITLE,
        text: TEXT,
      },
    ],
  };
}

/** Alertmanager's configuration: the severities asked for, one message for each namespace, severity and alert. */
export function alertmanagerConfig(slack: SlackConfig): object {
  const own = { warning: slack.warningWebhookUrl, critical: slack.criticalWebhookUrl };
  const targets = slack.severities.map((severity) => {
    const ownKey = severity === "info" || own[severity] === undefined ? undefined : KEYS[severity];
    return { severity, key: ownKey ?? (slack.webhookUrl === undefined ? undefined : KEYS.any) };
  });
  const sent = targets.flatMap(({ severity, key }) => (key === undefined ? [] : [{ severity, key }]));
  return {
    route: {
      receiver: "nowhere",
      group_by: ["namespace", "severity", "alertname"],
      group_wait: "30s",
      group_interval: "5m",
      repeat_interval: "12h",
      routes: sent.map(({ severity }) => ({
        receiver: `slack-${severity}`,
        // These two are not for people: Watchdog fires always, InfoInhibitor mutes others.
        matchers: [`severity = "${severity}"`, 'alertname !~ "InfoInhibitor|Watchdog"'],
      })),
    },
    inhibit_rules: [
      {
        source_matchers: ['severity = "critical"'],
        target_matchers: ['severity =~ "warning|info"'],
        equal: ["namespace", "alertname"],
      },
      {
        source_matchers: ['alertname = "InfoInhibitor"'],
        target_matchers: ['severity = "info"'],
        equal: ["namespace"],
      },
    ],
    receivers: [
      { name: "nowhere" },
      ...sent.map(({ severity, key }) => receiver(`slack-${severity}`, key, slack)),
    ],
  };
}
