{{/* What a schema cannot say: values that are each right, but not together. Each failure says what to set. */}}
{{- define "moorage.checks" -}}
{{- $v := .Values -}}
{{- $domain := $v.ingress.host.workspaceDomain -}}
{{- $tls := $v.ingress.tls -}}
{{- if not (or $v.server.enabled $v.gateway.enabled $v.agent.enabled) -}}
{{- fail "server, gateway and agent are all off: there is nothing to install. Set one of server.enabled, gateway.enabled, agent.enabled to true." -}}
{{- end -}}
{{- if and (or $v.server.enabled $v.gateway.enabled) (not $domain) -}}
{{- fail "ingress.host.workspaceDomain is missing: the DNS zone of the workspaces, which is Moorage's own host as well, as in moorage.example.com." -}}
{{- end -}}
{{- if contains "<" $v.image.registry -}}
{{- fail (printf "image.registry is %q: write the registry here that has Moorage's images, as in registry.example.com/platform (docs/helm.md, step 3)." $v.image.registry) -}}
{{- end -}}
{{- $wildcard := $v.ingress.host.wildcardDomain -}}
{{- if and $wildcard (ne $wildcard (printf "*.%s" $domain)) -}}
{{- fail (printf "ingress.host.wildcardDomain is %q, but workspaces are found at *.%s. Leave it out, or correct it." $wildcard $domain) -}}
{{- end -}}
{{- if and (gt (int $v.server.replicas) 1) (not (include "moorage.postgres" .)) -}}
{{- fail (printf "server.replicas is %d, but without database.url or database.existingSecret the server stores in SQLite, which takes exactly one. Set server.replicas to 1, or give it a PostgreSQL database (which starts empty)." (int $v.server.replicas)) -}}
{{- end -}}
{{- if and $v.database.url $v.database.existingSecret -}}
{{- fail "database.url and database.existingSecret are both set: give one of them." -}}
{{- end -}}
{{- include "moorage.checkClaim" . -}}
{{- if and $v.server.enabled $v.config.kasAddress -}}
{{- fail (printf "config.kasAddress is %q, but the server is in this release: its agent and gateway reach it by its Service. Leave config.kasAddress out, or set server.enabled to false where the server is elsewhere." $v.config.kasAddress) -}}
{{- end -}}
{{- if not $v.server.enabled -}}
{{- if not $v.config.kasAddress -}}
{{- fail "server.enabled is false, so config.kasAddress must say where the server is, as in https://moorage.example.com." -}}
{{- end -}}
{{- if and $v.agent.enabled (not (or $v.config.token $v.config.existingSecret)) -}}
{{- fail "server.enabled is false, so the agent needs the token that the server knows it by: config.token or config.existingSecret. The server shows it once, when the agent is added there." -}}
{{- end -}}
{{- if and $v.gateway.enabled (not (or $v.auth.token $v.auth.existingSecret)) -}}
{{- fail "server.enabled is false, so the gateway needs the token that the server knows it by: auth.token or auth.existingSecret. The server shows it once, when the agent is added there." -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.auth.host) -}}
{{- fail "server.enabled is false, so auth.host must say where people sign in, as in https://moorage.example.com." -}}
{{- end -}}
{{- end -}}
{{- range $name := list "workspaceDomain" "wildcardDomain" -}}
{{- $cert := index $tls (printf "%sCert" $name) -}}
{{- $key := index $tls (printf "%sKey" $name) -}}
{{- if ne (empty $cert) (empty $key) -}}
{{- fail (printf "ingress.tls.%sCert and ingress.tls.%sKey belong together: one of them is missing." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if ne (empty $tls.workspaceDomainCert) (empty $tls.wildcardDomainCert) -}}
{{- fail "ingress.tls has a certificate for one of workspaceDomain and wildcardDomain only: give both (the same one twice, where it is for both names)." -}}
{{- end -}}
{{- if ne (empty $tls.workspaceDomainSecret) (empty $tls.wildcardDomainSecret) -}}
{{- fail "ingress.tls names a Secret for one of workspaceDomain and wildcardDomain only: give both (the same one twice, where it is for both names)." -}}
{{- end -}}
{{- if $v.gateway.enabled }}{{ include "moorage.checkGatewayService" . }}{{ end -}}
{{- if $v.agent.settings.only_namespace -}}
{{- fail "agent.settings.only_namespace is set, of which the agent's rights would know nothing: set agent.onlyNamespace instead." -}}
{{- end -}}
{{- if eq $v.agent.onlyNamespace .Release.Namespace -}}
{{- fail (printf "agent.onlyNamespace is %q, the release's own namespace: the agent would read Moorage's own Secrets in it. Name another one." $v.agent.onlyNamespace) -}}
{{- end -}}
{{- $shared := (default dict $v.agent.workspaceSettings.remote_development).shared_namespace -}}
{{- if and $v.agent.onlyNamespace $shared (ne $shared $v.agent.onlyNamespace) -}}
{{- fail (printf "agent.onlyNamespace is %q, but agent.workspaceSettings has the shared_namespace %q, in which the agent would have no rights. Leave one of them out." $v.agent.onlyNamespace $shared) -}}
{{- end -}}
{{- $sources := 0 -}}
{{- range $given := list $tls.workspaceDomainCert $tls.workspaceDomainSecret $v.certManager.issuerRef -}}
{{- if $given -}}{{- $sources = add1 $sources -}}{{- end -}}
{{- end -}}
{{- if gt (int $sources) 1 -}}
{{- fail "certificates are given in more than one way: choose ingress.tls.…Cert and …Key, ingress.tls.…Secret, or certManager.issuerRef." -}}
{{- end -}}
{{- end -}}

{{/* What the API server does not take of a Service of this type. */}}
{{- define "moorage.checkGatewayService" -}}
{{- $service := .Values.gateway.service -}}
{{- $type := include "moorage.gatewayType" . -}}
{{- $why := printf "the gateway's Service is of type %s%s" $type (ternary "" (printf ", as ingress.enabled: %t has it" .Values.ingress.enabled) (ne $service.type "")) -}}
{{- if eq $type "ClusterIP" -}}
{{- range $name := list "externalTrafficPolicy" "nodePort" -}}
{{- if index $service $name -}}
{{- fail (printf "gateway.service.%s is set, but %s, which has none. Leave it out, or set gateway.service.type to NodePort or LoadBalancer." $name $why) -}}
{{- end -}}
{{- end -}}
{{- else if eq $service.clusterIP "None" -}}
{{- fail (printf "gateway.service.clusterIP is None, but %s, which takes an address. Leave it out." $why) -}}
{{- end -}}
{{- if and $service.loadBalancerSourceRanges (ne $type "LoadBalancer") -}}
{{- fail (printf "gateway.service.loadBalancerSourceRanges is set, but %s, where nothing heeds it. Leave it out, or set gateway.service.type to LoadBalancer." $why) -}}
{{- end -}}
{{- end -}}

{{/* The database that this release has so far is not left behind unnoticed. */}}
{{- define "moorage.checkClaim" -}}
{{- $postgres := include "moorage.postgres" . -}}
{{- if or $postgres .Values.server.persistence.existingClaim (not .Values.server.enabled) -}}
{{- with include "moorage.claimFound" . -}}
{{- $claim := include "moorage.ownClaim" $ -}}
{{- $namespace := $.Release.Namespace -}}
{{- if and $postgres $.Values.server.enabled (not $.Values.database.startEmpty) -}}
{{- fail (printf "a PostgreSQL database is given, but this release has its database in SQLite, in the volume claim %s. Nothing is carried over: PostgreSQL starts without its users, agents and workspaces, and whatever runs goes on with nobody to stop it. Delete the workspaces first (moor delete), then set database.startEmpty to true; or stay with SQLite. The claim remains until you delete it: kubectl -n %s delete pvc %s" $claim $namespace $claim) -}}
{{- end -}}
{{- if ne (get (fromJson .) "helm.sh/resource-policy" | toString) "keep" -}}
{{- fail (printf "with these values Helm would delete the volume claim %s with SQLite's database in it. Keep it first: kubectl -n %s annotate pvc %s helm.sh/resource-policy=keep" $claim $namespace $claim) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
