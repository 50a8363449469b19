{{/* Services are named by it, which takes a DNS label: without dots, and with a letter in front. */}}
{{- define "moorage.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $part := default .Chart.Name .Values.nameOverride -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name $part) (contains $part .Release.Name) -}}
{{- end -}}
{{- $name = replace "." "-" $name -}}
{{- if not (regexMatch "^[a-z]" $name) }}{{ $name = printf "moorage-%s" $name }}{{ end -}}
{{- $name | trunc 40 | trimAll "-" -}}
{{- end -}}

{{/* By these a part's pods are found. The gateway's name is what workspaces' network policies let in. (root, name) */}}
{{- define "moorage.selector" -}}
app.kubernetes.io/name: moorage-{{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end -}}

{{/* `managed-by` is Helm: the agent collects what carries its own name there. (root, name) */}}
{{- define "moorage.labels" -}}
{{ include "moorage.selector" . }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/part-of: moorage
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "moorage.metadata" -}}
name: {{ include "moorage.fullname" .root }}-{{ default .name .object }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "moorage.labels" . | nindent 2 }}
{{- end -}}

{{/* (root, image) */}}
{{- define "moorage.image" -}}
{{- $registry := .root.Values.image.registry | trimSuffix "/" -}}
{{- $tag := default (default .root.Chart.AppVersion .root.Values.image.tag) .image.tag -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .image.repository }}:{{ $tag }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "moorage.toolsImage" -}}
{{- default (include "moorage.image" (dict "root" . "image" (dict "repository" "moorage/tools" "tag" ""))) .Values.agent.toolsImage -}}
{{- end -}}

{{/* What a release in another cluster has of this one's values: where images come from, and whom to trust. The server writes it
     into the command that it gives for a new agent. */}}
{{- define "moorage.valuesElsewhere" -}}
{{- $v := .Values -}}
{{- $image := dict -}}
{{- with $v.image.registry }}{{ $_ := set $image "registry" . }}{{ end -}}
{{- with $v.image.tag }}{{ $_ := set $image "tag" . }}{{ end -}}
{{- if ne $v.image.pullPolicy "IfNotPresent" }}{{ $_ := set $image "pullPolicy" $v.image.pullPolicy }}{{ end -}}
{{- $values := dict -}}
{{- with $image }}{{ $_ := set $values "image" . }}{{ end -}}
{{- with $v.imagePullSecrets }}{{ $_ := set $values "imagePullSecrets" . }}{{ end -}}
{{- with $v.caBundle }}{{ $_ := set $values "caBundle" . }}{{ end -}}
{{- range $name := list "gateway" "agent" -}}
{{- $given := (index $v $name).image -}}
{{- $own := dict -}}
{{- if ne $given.repository (printf "moorage/%s" $name) }}{{ $_ := set $own "repository" $given.repository }}{{ end -}}
{{- with $given.tag }}{{ $_ := set $own "tag" . }}{{ end -}}
{{- with $given.digest }}{{ $_ := set $own "digest" . }}{{ end -}}
{{- with $own }}{{ $_ := set $values $name (dict "image" .) }}{{ end -}}
{{- end -}}
{{- with $v.agent.toolsImage }}{{ $_ := set $values "agent" (merge (dict "toolsImage" .) (default dict $values.agent)) }}{{ end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* Where a certificate comes from: given, existing, cert-manager, or "" for none. */}}
{{- define "moorage.tlsSource" -}}
{{- $tls := .Values.ingress.tls -}}
{{- if .Values.certManager.issuerRef -}}cert-manager
{{- else if $tls.workspaceDomainSecret -}}existing
{{- else if $tls.workspaceDomainCert -}}given
{{- end -}}
{{- end -}}

{{- define "moorage.workspaceDomainSecret" -}}
{{- $source := include "moorage.tlsSource" . -}}
{{- if eq $source "existing" }}{{ .Values.ingress.tls.workspaceDomainSecret }}
{{- else if eq $source "given" }}{{ include "moorage.fullname" . }}-workspace-domain
{{- else if $source }}{{ include "moorage.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{- define "moorage.wildcardDomainSecret" -}}
{{- $source := include "moorage.tlsSource" . -}}
{{- if eq $source "existing" }}{{ .Values.ingress.tls.wildcardDomainSecret }}
{{- else if eq $source "given" }}{{ include "moorage.fullname" . }}-wildcard-domain
{{- else if $source }}{{ include "moorage.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* Whether HAProxy itself ends TLS: "yes" or "". */}}
{{- define "moorage.haproxyTls" -}}
{{- if and (include "moorage.tlsSource" .) (not .Values.ingress.enabled) }}yes{{ end -}}
{{- end -}}

{{/* Of the gateway's Service. */}}
{{- define "moorage.gatewayType" -}}
{{- default (ternary "ClusterIP" "LoadBalancer" .Values.ingress.enabled) .Values.gateway.service.type -}}
{{- end -}}

{{- define "moorage.scheme" -}}
{{- if or (include "moorage.tlsSource" .) .Values.ingress.tls.endedElsewhere }}https{{ else }}http{{ end -}}
{{- end -}}

{{- define "moorage.publicPort" -}}
{{- default (ternary 443 80 (eq (include "moorage.scheme" .) "https")) (int .Values.ingress.publicPort) -}}
{{- end -}}

{{- define "moorage.zoneUrl" -}}
{{- $scheme := include "moorage.scheme" . -}}
{{- $port := include "moorage.publicPort" . | int -}}
{{ $scheme }}://{{ .Values.ingress.host.workspaceDomain }}{{ if ne $port (ternary 443 80 (eq $scheme "https")) }}:{{ $port }}{{ end }}
{{- end -}}

{{/* The server as agent and gateway reach it; with a fixed address, without DNS. Through the gateway they would not: it would
     pass the zone's requests on to itself. */}}
{{- define "moorage.serverUrl" -}}
{{- if not .Values.server.enabled -}}
{{- .Values.config.kasAddress | trimSuffix "/" | replace "wss://" "https://" | replace "ws://" "http://" -}}
{{- else -}}
{{- $service := .Values.server.service -}}
{{- $host := default (printf "%s-server.%s.svc" (include "moorage.fullname" .) .Release.Namespace) $service.clusterIP -}}
http://{{ if contains ":" $host }}[{{ $host }}]{{ else }}{{ $host }}{{ end }}:{{ $service.port }}
{{- end -}}
{{- end -}}

{{/* The Secrets that hold each secret, by their names: this release's own, or what was named. */}}
{{- define "moorage.ownSecret" -}}{{ include "moorage.fullname" . }}-secrets{{- end -}}
{{- define "moorage.agentSecret" -}}{{ default (include "moorage.ownSecret" .) .Values.config.existingSecret }}{{- end -}}
{{- define "moorage.gatewaySecret" -}}{{ default (include "moorage.ownSecret" .) .Values.auth.existingSecret }}{{- end -}}
{{- define "moorage.adminSecret" -}}{{ default (include "moorage.ownSecret" .) .Values.server.existingSecret }}{{- end -}}
{{- define "moorage.databaseSecret" -}}{{ default (include "moorage.ownSecret" .) .Values.database.existingSecret }}{{- end -}}
{{- define "moorage.databaseKey" -}}{{ ternary .Values.database.existingSecretKey "database-url" (ne .Values.database.existingSecret "") }}{{- end -}}
{{- define "moorage.postgres" -}}{{ if or .Values.database.url .Values.database.existingSecret }}yes{{ end }}{{- end -}}

{{/* SQLite's volume claim, unless a value names another. */}}
{{- define "moorage.ownClaim" -}}{{ include "moorage.fullname" . }}-server{{- end -}}
{{- define "moorage.claim" -}}{{ default (include "moorage.ownClaim" .) .Values.server.persistence.existingClaim }}{{- end -}}

{{/* Annotations of the own claim, as JSON, where this release has made one; "" where it has not, or where Helm does not ask the
     cluster. */}}
{{- define "moorage.claimFound" -}}
{{- $found := lookup "v1" "PersistentVolumeClaim" .Release.Namespace (include "moorage.ownClaim" .) -}}
{{- if $found -}}
{{- $annotations := default dict $found.metadata.annotations -}}
{{- if eq (get $annotations "meta.helm.sh/release-name" | toString) .Release.Name }}{{ toJson $annotations }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* settings.toml's table: a JSON value of these kinds is a TOML value. (table, values) */}}
{{- define "moorage.toml" -}}
[{{ .table }}]
{{- range $name, $value := .values }}
{{ $name }} = {{ toJson $value }}
{{- end }}
{{- end -}}

{{/* What changes when a secret value that was given changes, so that pods take the new one. Four digits: enough to see a change by,
     too few to guess a password by. (list of values) */}}
{{- define "moorage.seal" -}}{{ toJson . | sha256sum | trunc 4 }}{{- end -}}

{{- define "moorage.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What all pods have. (root, name, part) */}}
{{- define "moorage.pod" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
  {{- with .root.Values.podSecurityContext }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "hostAliases" }}
{{- with index $.part $field }}
{{ $field }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Of a pod's template. (root, name, part, config, secrets) */}}
{{- define "moorage.podMetadata" -}}
labels:
  {{- include "moorage.labels" . | nindent 2 }}
  {{- with .part.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  moorage.dev/config: {{ printf "%s%s" .config .root.Values.caBundle | sha256sum | trunc 16 | quote }}
  moorage.dev/secrets: {{ include "moorage.seal" .secrets | quote }}
  {{- with .part.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Image, environment and rights of a container. The messages with which it ends are what `kubectl describe pod` shows.
     (root, part) */}}
{{- define "moorage.container" -}}
image: {{ include "moorage.image" (dict "root" .root "image" .part.image) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  {{- include "moorage.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .part.resources | nindent 2 }}
{{- end -}}

{{/* (root, part) */}}
{{- define "moorage.extraEnv" -}}
{{- with .part.extraEnv }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{- define "moorage.stateMounts" -}}
- name: {{ .state }}
  mountPath: /var/lib/moorage
- name: secrets
  mountPath: /var/lib/moorage/secrets
  readOnly: true
- name: config
  mountPath: /etc/moorage
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* Probes of one HTTP path. (path, port) */}}
{{- define "moorage.probes" -}}
startupProbe:
  httpGet: {path: {{ .path }}, port: {{ .port }}}
  periodSeconds: 1
  failureThreshold: 120
livenessProbe:
  httpGet: {path: {{ .path }}, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ default .path .ready }}, port: {{ .port }}}
  periodSeconds: 2
  timeoutSeconds: 5
{{- end -}}
