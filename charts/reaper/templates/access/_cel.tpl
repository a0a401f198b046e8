{{/* The parts that the policies of access share. All of them are CEL. */}}

{{/* Whether the user who asks may run host processes in the namespace. */}}
{{- define "reaper.access.use" -}}
authorizer.group('reaper.io').resource('hostprocesses').namespace(request.namespace).check('use').allowed()
{{- end -}}

{{/* The user as kubectl takes it for a binding. */}}
{{- define "reaper.access.subject" -}}
(request.userInfo.username.startsWith('system:serviceaccount:')
? '--serviceaccount=' + request.userInfo.username.substring(22)
: "--user='" + request.userInfo.username.replace("'", "'\\''") + "'")
{{- end -}}

{{/* A name for a binding of the user, without what such a name may not have. Both are quoted for a shell: the name may be
anything, and an administrator will paste it. */}}
{{- define "reaper.access.binding" -}}
"'host-processes:" + request.userInfo.username.replace('/', '-').replace('%', '-').replace("'", '-') + "'"
{{- end -}}

{{/* The end of the sentence for who lacks the right. */}}
{{- define "reaper.access.grant" -}}
{{- $root := index . 0 -}}
': whoever administers the cluster allows it with: kubectl create rolebinding ' + {{ include "reaper.access.binding" . }}
+ ' --namespace=' + request.namespace + ' --clusterrole={{ include "reaper.name" $root }}-host-processes ' + {{ include "reaper.access.subject" . }}
{{- end -}}

{{/* Whom processes may run as, by the chart and by the namespace: lists of ranges, all of which hold. */}}
{{- define "reaper.access.ranges" -}}
{{- $access := (index . 0).Values.admission.access -}}
{{- range tuple "uid" "gid" }}
- name: {{ . }}sOfNamespace
  expression: >-
    namespaceObject.metadata.?annotations[?'reaper.io/{{ . }}s']
    {{- if eq . "gid" }}.or(namespaceObject.metadata.?annotations[?'reaper.io/uids']){{ end }}
- name: {{ . }}sReadable
  expression: >-
    !variables.{{ . }}sOfNamespace.hasValue() || (variables.{{ . }}sOfNamespace.value().size() <= 256
    && variables.{{ . }}sOfNamespace.value().matches('^[0-9]{1,10}(-[0-9]{1,10})?(,[0-9]{1,10}(-[0-9]{1,10})?)*$'))
- name: {{ . }}Ranges
  expression: >-
    ['{{ eq . "gid" | ternary ($access.gids | default $access.uids) $access.uids }}']
    + (variables.{{ . }}sReadable ? variables.{{ . }}sOfNamespace.optMap(o, [o]).orValue([]) : [])
{{- end }}
# What holds for most, and is all that is computed for them: each message is made for who passes, too.
- name: anybody
  expression: >-
    (variables.uidRanges + variables.gidRanges).all(ranges, ranges == '0-2147483647')
    && variables.uidsReadable && variables.gidsReadable
- name: rootIsLeftOut
  expression: >-
    !variables.uidRanges.all(ranges, ranges == '0-2147483647' || ranges.split(',').exists(range, int(range.split('-')[0]) == 0))
{{- end -}}

{{/* The users and groups of what has the variables uids and gids that are in none of these. */}}
{{- define "reaper.access.variables" -}}
{{ include "reaper.access.ranges" . }}
{{- range tuple "uid" "gid" }}
- name: wrong{{ title . }}s
  expression: >-
    variables.anybody ? [] : variables.{{ . }}s.filter(id, !variables.{{ . }}Ranges.all(ranges, ranges.split(',').exists(range,
    int(range.split('-')[0]) <= id && id <= int(range.split('-')[range.split('-').size() - 1]))))
{{- end }}
{{- end -}}

{{/* What is checked of a Pod, a workload or a task, in this order: (list $ "where it says uids" "where gids"). */}}
{{- define "reaper.access.validations" -}}
{{- $root := index . 0 -}}
- expression: namespaceObject.metadata.?labels[?'reaper.io/allow'].orValue('') == 'true'
  messageExpression: >-
    'namespace ' + request.namespace + ' does not allow host processes: whoever administers the cluster allows them with: kubectl label namespace '
    + request.namespace + ' reaper.io/allow=true --overwrite'
  reason: Forbidden
- expression: {{ include "reaper.access.use" . }}
  messageExpression: >-
    request.userInfo.username + ' may not run host processes in namespace ' + request.namespace
    + {{ include "reaper.access.grant" . | nindent 4 | trim }}
  reason: Forbidden
{{- range tuple (list "uid" (index . 1)) (list "gid" (index . 2)) }}
{{- $id := index . 0 }}
- expression: variables.{{ $id }}sReadable
  messageExpression: >-
    'the annotation reaper.io/{{ $id }}s of namespace ' + request.namespace + ' is not a list of {{ $id }}s such as 1000-1999,5000,'
    + ' so nobody runs host processes there: whoever administers the cluster corrects it with: kubectl annotate namespace '
    + request.namespace + ' reaper.io/{{ $id }}s=1000-1999 --overwrite'
  reason: Forbidden
- expression: variables.wrong{{ title $id }}s.size() == 0
  messageExpression: >-
    variables.wrong{{ title $id }}s.size() == 0 ? '' : 'host processes of namespace ' + request.namespace + ' may not have {{ $id }} ' + string(variables.wrong{{ title $id }}s[0])
    + (variables.wrong{{ title $id }}s[0] == 0 ? ', which is also what they have where none is given' : '')
    + ': set {{ index . 1 }} to one of ' + variables.{{ $id }}Ranges.filter(ranges, ranges != '0-2147483647').join(' that is also one of ')
  reason: Forbidden
{{- end }}
{{- end -}}

{{/* A policy's binding. */}}
{{- define "reaper.access.bind" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "reaper.labels" (list $root "access") | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: {{ eq $root.Values.admission.access.action "Warn" | ternary "[Warn, Audit]" (printf "[%s]" $root.Values.admission.access.action) }}
{{- end -}}

{{/* The version of MutatingAdmissionPolicy that the cluster has, or nothing. */}}
{{- define "reaper.mutating" -}}
{{- $found := "" -}}
{{- range tuple "v1alpha1" "v1beta1" "v1" -}}
{{- if $.Capabilities.APIVersions.Has (printf "admissionregistration.k8s.io/%s/MutatingAdmissionPolicy" .) -}}
{{- $found = . -}}
{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}
