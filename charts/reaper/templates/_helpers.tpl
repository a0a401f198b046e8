{{/* The name that all objects of a release begin with. */}}
{{- define "reaper.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change, for selectors: (list $ "operator"). */}}
{{- define "reaper.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: reaper
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object: (list $ "operator"). */}}
{{- define "reaper.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "reaper.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: reaper
{{- end -}}

{{/* An image with its tag: (list $ .Values.operator.image). */}}
{{- define "reaper.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}

{{/* The controllers of Kubernetes that make Pods, or what makes Pods; in kube-system they have the accounts NAME-controller. */}}
{{- define "reaper.controllers" -}}
cronjob daemon-set deployment job replicaset replication statefulset
{{- end -}}

{{/* What a container needs to be allowed where Pod Security is "restricted". */}}
{{- define "reaper.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A condition: what others wrote was judged with them, and nobody reads a controller's warnings. */}}
{{- define "reaper.notByController" -}}
{{- $makers := list (printf "system:serviceaccount:%s:%s-operator" .Release.Namespace (include "reaper.name" .)) "system:kube-controller-manager" }}
{{- range splitList " " (include "reaper.controllers" .) }}
{{- $makers = append $makers (printf "system:serviceaccount:kube-system:%s-controller" .) }}
{{- end -}}
- name: not-by-a-controller
  expression: "!(request.userInfo.username in ['{{ join "', '" $makers }}'])"
{{- end -}}

{{/* The Secret with the webhooks' certificate. */}}
{{- define "reaper.webhookSecret" -}}
{{- .Values.admission.webhooks.certificates.secretName | default (printf "%s-operator-webhooks" (include "reaper.name" .)) -}}
{{- end -}}

{{/* Where the API server asks: (list $ "/validate"). */}}
{{- define "reaper.webhook" -}}
{{- $root := index . 0 -}}
service:
  name: {{ include "reaper.name" $root }}-operator-webhooks
  namespace: {{ $root.Release.Namespace }}
  port: 443
  path: {{ index . 1 }}
{{- end -}}

{{/* What keeps a webhook from being in the way of a cluster. */}}
{{- define "reaper.webhookManners" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ append .Values.admission.webhooks.excludedNamespaces .Release.Namespace | uniq | toJson }}
    {{- toYaml (.Files.Get "files/rules.yaml" | fromYaml).namespaceSelector.matchExpressions | nindent 4 }}
failurePolicy: Ignore
timeoutSeconds: {{ .Values.admission.webhooks.timeoutSeconds }}
matchPolicy: Equivalent
sideEffects: None
admissionReviewVersions: [v1]
{{- end -}}
