{{- define "doorward.labels" -}}
app.kubernetes.io/name: doorward
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "doorward.selector" -}}
app.kubernetes.io/name: doorward
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "doorward.fullname" -}}
{{- if contains "doorward" .Release.Name -}}{{ .Release.Name | trunc 60 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-doorward" .Release.Name | trunc 60 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What the service is told: the settings given, and the addresses and files that the chart provides. */}}
{{- define "doorward.settings" -}}
{{- $settings := deepCopy .Values.settings }}
{{- $_ := set $settings "listen" (list "0.0.0.0:8181") }}
{{- $telemetry := get $settings "telemetry" | default dict }}
{{- $_ := set $telemetry "metrics" (list "0.0.0.0:9181") }}
{{- $_ := set $settings "telemetry" $telemetry }}
{{- if .Values.http.enabled }}
{{- $http := get $settings "http" | default dict }}
{{- $_ := set $http "listen" (list "0.0.0.0:8182") }}
{{- $_ := set $settings "http" $http }}
{{- end }}
{{- if .Values.tls.secret }}
{{- $_ := set $settings "tls_cert" "/etc/doorward/tls/tls.crt" }}
{{- $_ := set $settings "tls_key" "/etc/doorward/tls/tls.key" }}
{{- if .Values.tls.clientCa }}
{{- $_ := set $settings "tls_client_ca" "/etc/doorward/tls/ca.crt" }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}
