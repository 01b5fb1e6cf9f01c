package controllers

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1beta1 "sigs.k8s.io/cluster-api/api/core/v1beta1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

type runtimeObject = runtime.Object

// conditioned is an object with today's conditions (status.conditions in v1beta2).
type conditioned interface {
	GetGeneration() int64
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)
}

// legacy is an object that also has the conditions of v1beta1 (status.deprecated.v1beta1.conditions in v1beta2).
type legacy interface {
	GetV1Beta1Conditions() clusterv1.Conditions
	SetV1Beta1Conditions(clusterv1.Conditions)
}

// condition is a condition as wanted.
type condition struct {
	kind    string
	status  metav1.ConditionStatus
	reason  string
	message string
}

// yesNo makes a condition that is True with one reason or False with another.
func yesNo(kind string, yes bool, reasonYes, reasonNo, messageNo string) condition {
	if yes {
		return condition{kind, metav1.ConditionTrue, reasonYes, ""}
	}
	return condition{kind, metav1.ConditionFalse, reasonNo, messageNo}
}

// happening makes a condition that is True, with a message, only while something goes on.
func happening(kind string, yes bool, message string) condition {
	if yes {
		return condition{kind, metav1.ConditionTrue, kind, message}
	}
	return condition{kind, metav1.ConditionFalse, "Not" + kind, ""}
}

// set writes conditions; the transition time moves only with the status.
func set(o conditioned, conditions ...condition) {
	list := append([]metav1.Condition(nil), o.GetConditions()...)
	for _, c := range conditions {
		meta.SetStatusCondition(&list, metav1.Condition{Type: c.kind, Status: c.status, Reason: c.reason, Message: c.message, ObservedGeneration: o.GetGeneration()})
	}
	o.SetConditions(list)
}

// isTrue says whether a condition is there and True.
func isTrue(o interface{ GetConditions() []metav1.Condition }, kind string) bool {
	return meta.IsStatusConditionTrue(o.GetConditions(), kind)
}

func message(o interface{ GetConditions() []metav1.Condition }, kind string) string {
	if c := meta.FindStatusCondition(o.GetConditions(), kind); c != nil && c.Message != "" {
		return c.Message
	}
	return "Condition " + kind + " not yet reported"
}

// setLegacy writes a condition of v1beta1. reason and text are kept only while it is not True, as upstream does.
func setLegacy(o legacy, kind clusterv1.ConditionType, yes bool, reason, text string) {
	wanted := clusterv1.Condition{Type: kind, Status: corev1.ConditionTrue}
	if !yes {
		wanted.Status, wanted.Severity, wanted.Reason, wanted.Message = corev1.ConditionFalse, clusterv1.ConditionSeverityInfo, reason, text
	}
	list := append(clusterv1.Conditions(nil), o.GetV1Beta1Conditions()...)
	for i, c := range list {
		if c.Type != kind {
			continue
		}
		wanted.LastTransitionTime = c.LastTransitionTime
		if c.Status != wanted.Status {
			wanted.LastTransitionTime = now()
		}
		list[i] = wanted
		o.SetV1Beta1Conditions(list)
		return
	}
	wanted.LastTransitionTime = now()
	o.SetV1Beta1Conditions(append(list, wanted))
}

// setInfra writes a condition of a provider that follows contract v1beta1 (Cluster API Provider OpenStack 0.14).
func setInfra(list *clusterv1beta1.Conditions, kind clusterv1beta1.ConditionType, yes bool, severity clusterv1beta1.ConditionSeverity, reason, text string) {
	wanted := clusterv1beta1.Condition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now()}
	if !yes {
		wanted.Status, wanted.Severity, wanted.Reason, wanted.Message = corev1.ConditionFalse, severity, reason, text
	}
	for i, c := range *list {
		if c.Type == kind {
			if c.Status == wanted.Status {
				wanted.LastTransitionTime = c.LastTransitionTime
			}
			(*list)[i] = wanted
			return
		}
	}
	*list = append(*list, wanted)
}

// now has whole seconds, as the API keeps them: finer times would look like a change each time.
func now() metav1.Time { return metav1.NewTime(time.Now().Truncate(time.Second)) }

func toMap(o any) (map[string]any, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, json.Unmarshal(data, &out)
}
