{{- define "obidos.name" -}}
{{- if contains "obidos" .Release.Name }}{{ .Release.Name | trunc 50 }}{{ else }}{{ printf "%s-obidos" .Release.Name | trunc 50 }}{{ end }}
{{- end }}
{{- define "obidos.selector" -}}
app.kubernetes.io/name: obidos
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "obidos.labels" -}}
{{ include "obidos.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "obidos.shared" -}}
{{- if or .Values.store.url .Values.store.existingSecret }}yes{{ end }}
{{- end }}
