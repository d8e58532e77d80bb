{{/* The name of everything in this release. */}}
{{- define "nexus.name" -}}
{{- if contains "nexus" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-nexus" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "nexus.selector" -}}
app.kubernetes.io/name: nexus
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nexus.labels" -}}
{{ include "nexus.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The domain in which each pod has a name, ready or not. */}}
{{- define "nexus.peerDomain" -}}
{{ printf "%s-peers.%s.svc.%s" (include "nexus.name" .) .Release.Namespace .Values.clusterDomain }}
{{- end -}}

{{/* All nodes of the new cluster, the same list on each of them. */}}
{{- define "nexus.initialCluster" -}}
{{- $name := include "nexus.name" . -}}
{{- $domain := include "nexus.peerDomain" . -}}
{{- range $ordinal := until (int .Values.initialReplicas) -}}
{{- if $ordinal }},{{ end -}}
{{- printf "%d=%s-%d.%s:7501" (add1 $ordinal) $name $ordinal $domain -}}
{{- end -}}
{{- end -}}

{{/* The first two pods, through either of which a node joins: one of them may be the node itself. */}}
{{- define "nexus.joinUrls" -}}
{{- range $ordinal := until (min 2 (max (int .Values.replicas) (int .Values.initialReplicas)) | int) -}}
{{- if $ordinal }},{{ end -}}
{{- printf "%s://%s-%d.%s:7401" (lower (include "nexus.scheme" $)) (include "nexus.name" $) $ordinal (include "nexus.peerDomain" $) -}}
{{- end -}}
{{- end -}}

{{/* The names by which clients reach the service. */}}
{{- define "nexus.hosts" -}}
{{- $name := include "nexus.name" . -}}
{{- $service := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts := list $name $service (printf "%s.svc" $service) (printf "%s.svc.%s" $service .Values.clusterDomain) -}}
{{- concat $hosts .Values.allowedHosts | join "," -}}
{{- end -}}

{{- define "nexus.clusterSecret" -}}
{{- .Values.clusterSecret.existingSecret | default (printf "%s-cluster-secret" (include "nexus.name" .)) -}}
{{- end -}}

{{- define "nexus.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "nexus.name" .)) -}}
{{- end -}}

{{- define "nexus.scheme" -}}
{{- ternary "HTTPS" "HTTP" .Values.tls.enabled -}}
{{- end -}}
