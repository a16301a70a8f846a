//! Which task runs next on a worker: the tenant that has had the least CPU time for its weight, and
//! of its tasks the one that has waited longest.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Ready tasks of many tenants, served fairly by CPU time. `K` names a tenant, `T` a task.
///
/// Each tenant has a virtual time: CPU time divided by its weight. A tenant that comes back after a
/// rest starts at the lowest virtual time of those that are ready, so that it cannot save up.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    tenants: HashMap<K, Tenant<T>>,
    floor: u64,
}

#[derive(Debug)]
struct Tenant<T> {
    ready: VecDeque<T>,
    weight: u32,
    virtual_ns: u64,
}

impl<K: Clone + Eq + Hash + Ord, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), floor: 0 }
    }
}

impl<K: Clone + Eq + Hash + Ord, T> FairQueue<K, T> {
    /// Puts a task at the end of its tenant's queue. `weight` is the tenant's share, at least 1.
    pub fn push(&mut self, tenant: &K, weight: u32, task: T) {
        let floor = self.floor;
        if !self.tenants.contains_key(tenant) {
            let new = Tenant { ready: VecDeque::new(), weight, virtual_ns: floor };
            self.tenants.insert(tenant.clone(), new);
        }
        if let Some(known) = self.tenants.get_mut(tenant) {
            if known.ready.is_empty() {
                known.virtual_ns = known.virtual_ns.max(floor);
            }
            known.weight = weight.max(1);
            known.ready.push_back(task);
        }
    }

    /// Takes the task that is to run next.
    pub fn pop(&mut self) -> Option<(K, T)> {
        let ready = self.tenants.iter().filter(|(_, tenant)| !tenant.ready.is_empty());
        let next = ready.min_by(|a, b| (a.1.virtual_ns, a.0).cmp(&(b.1.virtual_ns, b.0)));
        let key = next.map(|(key, _)| key.clone())?;
        let tenant = self.tenants.get_mut(&key)?;
        self.floor = self.floor.max(tenant.virtual_ns);
        let task = tenant.ready.pop_front()?;
        Some((key, task))
    }

    /// Charges a tenant for CPU time that one of its tasks used.
    pub fn charge(&mut self, tenant: &K, cpu_ns: u64) {
        if let Some(tenant) = self.tenants.get_mut(tenant) {
            tenant.virtual_ns += cpu_ns / u64::from(tenant.weight);
        }
    }

    /// Number of tasks that are ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants.values().map(|tenant| tenant.ready.len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.values().all(|tenant| tenant.ready.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `rounds` turns of always-ready tasks; answers the CPU time of each tenant.
    fn run(tasks: &[(&'static str, u32, u64)], rounds: usize) -> HashMap<&'static str, u64> {
        let mut queue = FairQueue::default();
        let mut used = HashMap::new();
        for (index, (tenant, weight, _)) in tasks.iter().enumerate() {
            queue.push(tenant, *weight, index);
        }
        for _ in 0..rounds {
            let (tenant, index) = queue.pop().unwrap();
            let (_, weight, cost) = tasks[index];
            queue.charge(&tenant, cost);
            *used.entry(tenant).or_default() += cost;
            queue.push(&tenant, weight, index);
        }
        used
    }

    #[test]
    fn a_tenant_with_many_hungry_tasks_gets_no_more_than_one_with_a_single_task() {
        let mut tasks = vec![("good", 1, 1_000)];
        tasks.extend([("hog", 1, 9_000); 20]);
        let used = run(&tasks, 10_000);
        let (good, hog) = (used["good"] as f64, used["hog"] as f64);
        assert!((good / hog - 1.0).abs() < 0.01, "{good} {hog}");
    }

    #[test]
    fn weights_share_in_proportion() {
        let used = run(&[("a", 3, 500), ("b", 1, 700)], 10_000);
        let ratio = used["a"] as f64 / used["b"] as f64;
        assert!((ratio - 3.0).abs() < 0.05, "{ratio}");
    }

    #[test]
    fn a_rest_saves_nothing_up() {
        let mut queue = FairQueue::default();
        queue.push(&"busy", 1, 0);
        for _ in 0..1_000 {
            let (tenant, task) = queue.pop().unwrap();
            queue.charge(&tenant, 1_000);
            queue.push(&tenant, 1, task);
        }
        queue.push(&"late", 1, 1);
        let mut late_in_a_row = 0;
        while let Some(("late", task)) = queue.pop() {
            queue.charge(&"late", 1_000);
            queue.push(&"late", 1, task);
            late_in_a_row += 1;
            assert!(late_in_a_row < 3);
        }
    }
}
