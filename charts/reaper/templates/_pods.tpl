{{/* What policies share that judge Pods and everything that a controller makes Pods of. */}}

{{/* Which objects that are. */}}
{{- define "reaper.pods.rules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE]
  resources: [pods]
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [replicationcontrollers]
- apiGroups: [apps]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [deployments, replicasets, statefulsets, daemonsets]
- apiGroups: [batch]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [jobs, cronjobs]
{{- end -}}

{{/* CEL: the Pod spec of any of them. Its fields are dynamic. */}}
{{- define "reaper.pods.spec" -}}
dyn(object.spec).?jobTemplate.?spec.?template.?spec.or(dyn(object.spec).?template.?spec).orValue(dyn(object.spec))
{{- end -}}

{{/* CEL: whether it is new, or has another template than before. */}}
{{- define "reaper.pods.new" -}}
oldObject == null || dyn(object.spec).?template != dyn(oldObject.spec).?template || dyn(object.spec).?jobTemplate != dyn(oldObject.spec).?jobTemplate
{{- end -}}

{{/* CEL: the names of images that stand for no image, and none at all. They are those of the rules. */}}
{{- define "reaper.placeholders" -}}
['', '{{ (.Files.Get "files/rules.yaml" | fromYaml).placeholders | join "', '" }}']
{{- end -}}
