//! Which container and pod a process is in, by the names of its control groups and what its own files say.
//!
//! Names as the runtimes give them: `docker-ID.scope`, `/docker/ID` (Docker 20 to 27), `cri-containerd-ID.scope`
//! (containerd 1.6 to 2.0), `crio-ID.scope` (CRI-O 1.2x), `libpod-ID.scope` (Podman 4 and 5), `lxc.payload.NAME` (LXC 4
//! and later), `kubepods…/pod-UID` (kubelet 1.20 and later).

use super::{Container, Environment, Kubernetes};

const PREFIXES: [(&str, &str); 5] = [
    ("cri-containerd-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
    ("docker-", "docker"),
    ("containerd-", "containerd"),
];

/// The container; `mounts` is the text of /proc/PID/mountinfo.
pub fn container(cgroups: &[String], mounts: &str) -> Option<Container> {
    let parts = cgroups
        .iter()
        .flat_map(|path| path.split('/').scan("", |before, part| Some((std::mem::replace(before, part), part))));
    for (before, part) in parts {
        let name = part.strip_suffix(".scope").unwrap_or(part);
        let prefixed = PREFIXES.iter().find_map(|(prefix, runtime)| Some((name.strip_prefix(prefix)?, *runtime)));
        if let Some((id, runtime)) = prefixed.filter(|(id, _)| is_id(id)) {
            return Some(made(id, Some(runtime)));
        }
        if let Some(id) = part.strip_prefix("lxc.payload.").or((before == "lxc").then_some(part))
            && !id.is_empty()
        {
            return Some(made(id, Some("lxc")));
        }
        if is_id(name) {
            return Some(made(name, (before == "docker").then_some("docker")));
        }
    }
    // In a namespace of its own the process sees no path, but the files that the runtime gave it.
    let mut places = mounts.lines().flat_map(|line| line.split(' ')).filter(|place| place.contains("/containers/"));
    places.find_map(|place| {
        let (before, after) = place.split_once("/containers/")?;
        let id = after.split('/').next().filter(|id| is_id(id))?;
        let runtime = if before.ends_with("docker") { Some("docker") } else { None };
        Some(made(id, runtime))
    })
}

fn made(id: &str, runtime: Option<&str>) -> Container {
    Container { id: Some(id.to_owned()), runtime: runtime.map(str::to_owned), ..Container::default() }
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The pod; `namespace` is what the service account's file says.
pub fn kubernetes(environment: &Environment, namespace: Option<String>) -> Option<Kubernetes> {
    let pod_uid = environment.cgroups.iter().find_map(|path| pod_uid(path));
    let in_pod = pod_uid.is_some() || environment.variable("KUBERNETES_SERVICE_HOST").is_some();
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    let hostname = || {
        let of_file = environment.container.as_ref().and_then(|container| container.hostname.clone());
        variable("HOSTNAME").or(of_file)
    };
    in_pod.then(|| Kubernetes {
        pod: variable("POD_NAME").or_else(hostname),
        namespace: variable("POD_NAMESPACE").or(namespace),
        pod_uid,
        node: variable("NODE_NAME"),
    })
}

/// `kubepods-burstable-pod1234_….slice` (systemd) or `kubepods/burstable/pod1234-…` (cgroupfs).
fn pod_uid(path: &str) -> Option<String> {
    path.split('/').filter(|_| path.contains("kubepods")).find_map(|part| {
        let part = part.strip_suffix(".slice").unwrap_or(part);
        let uid = part.rsplit_once("-pod").map_or_else(|| part.strip_prefix("pod"), |(_, uid)| Some(uid))?;
        let uid = uid.replace('_', "-");
        (uid.len() >= 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')).then_some(uid)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Variable;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "3a0e5a34-9c2f-4b7e-8f7d-2f5b0b6c1d2e";

    #[test]
    fn containers_are_known_by_their_control_groups() {
        let check = |path: String, runtime: Option<&str>| {
            let found = container(std::slice::from_ref(&path), "").unwrap_or_default();
            assert_eq!((found.id.as_deref(), found.runtime.as_deref()), (Some(ID), runtime), "{path}");
        };
        check(format!("/docker/{ID}"), Some("docker"));
        check(format!("/system.slice/docker-{ID}.scope"), Some("docker"));
        check(
            format!("/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{ID}.scope", UID.replace('-', "_")),
            Some("containerd"),
        );
        check(format!("/kubepods/burstable/pod{UID}/{ID}"), None);
        check(format!("/machine.slice/libpod-{ID}.scope/container"), Some("podman"));
        let lxc = container(&["/lxc.payload.web".to_owned()], "").unwrap_or_default();
        assert_eq!((lxc.id.as_deref(), lxc.runtime.as_deref()), (Some("web"), Some("lxc")));
        assert_eq!(container(&["/user.slice/user-1000.slice".to_owned()], ""), None);
        let mounts = format!("1 2 0:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw");
        assert_eq!(container(&["/".to_owned()], &mounts).and_then(|found| found.id).as_deref(), Some(ID));
    }

    #[test]
    fn pods_are_known_by_their_control_groups_and_variables() {
        let variable = |name: &str, value: &str| Variable { name: name.to_owned(), value: Some(value.to_owned()) };
        let environment = Environment {
            cgroups: vec![format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/x",
                UID.replace('-', "_")
            )],
            variables: vec![variable("HOSTNAME", "orders-7d9"), variable("NODE_NAME", "n1")],
            ..Environment::default()
        };
        let pod = kubernetes(&environment, Some("shop".to_owned())).unwrap_or_default();
        let expected = [Some("orders-7d9"), Some("shop"), Some(UID), Some("n1")];
        let found = [&pod.pod, &pod.namespace, &pod.pod_uid, &pod.node].map(Option::as_deref);
        assert_eq!(found, expected);
        assert_eq!(kubernetes(&Environment::default(), None), None);
    }
}
